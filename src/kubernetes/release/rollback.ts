import { UserError } from "../../lib/errors.ts";
import { deploy } from "./deploy.ts";
import type { Deployed, DeployOptions, Target } from "./deployment.ts";
import type { RemoveOptions } from "./operation.ts";
import { makePlan } from "./planner.ts";
import { missingRelease } from "./release-namespace.ts";
import { removeRelease } from "./remove.ts";
import type { Revision } from "./revision.ts";
import { noRevision, type ReleaseStore } from "./store.ts";

/**
 * Chooses the revision to roll back to: the one with `number`, or the last that was deployed before the current one. If the
 * current one did not succeed, it is the last that did.
 * @throws {UserError} `release-not-found`, `namespace-unusable`
 */
export async function chooseRevision(
  store: ReleaseStore,
  revisions: readonly Revision[],
  number: number | null,
): Promise<Revision> {
  const [current] = revisions;
  if (current === undefined) throw await missingRelease(store);
  if (number !== null) {
    const found = revisions.find((revision) => revision.number === number);
    if (found === undefined) throw noRevision(store, number);
    return found;
  }
  const wasDeployed = ({ status }: Revision) => status === "deployed" || status === "superseded";
  const found = revisions.find((revision) => revision !== current && wasDeployed(revision));
  if (found === undefined) {
    throw new UserError(
      "release-not-found",
      `no revision before ${current.number} of release ${JSON.stringify(store.release)} was ever deployed`,
      "chain-link history lists all; chain-link delete removes the release.",
    );
  }
  return found;
}

/** Twice what Kubernetes gives pods by default. */
const PODS_END_MS = 60_000;

/** An earlier revision's content as what is wanted now. */
export async function readTarget(store: ReleaseStore, revision: Revision): Promise<Target> {
  const { objects, inputs } = await store.readContent(revision);
  return { objects, inputs: { ...inputs, note: `rollback to ${revision.number}` } };
}

/**
 * After a deploy that failed: applies the last deployed revision again, or removes everything when there is none.
 * @returns The number of the revision that was applied again
 */
export async function restore(
  store: ReleaseStore,
  options: DeployOptions & Pick<RemoveOptions, "report">,
): Promise<{ readonly restored: number | null; readonly deployed: Deployed | null }> {
  const revisions = await store.listRevisions();
  const last = revisions.find(({ status }) => status === "deployed");
  if (last === undefined) {
    // A short limit for getting ready says nothing of how long pods take to end.
    await removeRelease(store, {
      ...options,
      withStorage: false,
      timeoutMs: Math.max(options.timeoutMs, PODS_END_MS),
    });
    return { restored: null, deployed: null };
  }
  const target = await readTarget(store, last);
  const plan = await makePlan(store, target.objects, options);
  return { restored: last.number, deployed: await deploy(store, target, plan, options) };
}
