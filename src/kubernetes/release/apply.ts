import { UserError } from "../../lib/errors.ts";
import { exactly } from "../api/client.ts";
import { isKept, type Resource } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { PART_OF_LABEL } from "./apply-set.ts";
import { describeEnding } from "./deletion.ts";
import { waitUntilDeleted } from "./deletion-watch.ts";
import { inheritFields } from "./former-managers.ts";
import { assertCanContinue, Interrupted, type ReleaseOperation } from "./operation.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import type { PlannedObject, Removal } from "./plan.ts";
import { describeProblem, readApplyProblems } from "./problem.ts";

/** The server refused objects although their dry run, or that of similar objects, succeeded. */
export class ApplyFailed extends Error {
  override readonly name = "ApplyFailed";

  constructor(
    readonly problems: readonly { readonly name: string; readonly cause: unknown; readonly text: string }[],
  ) {
    super(problems.map(({ text }) => text).join("; "));
  }
}

/**
 * Applies new and changed objects of a plan, one kind after the other; objects of one kind concurrently. All refusals of
 * one kind are reported together and end the deploy.
 */
export async function applyPlanned(work: ReleaseOperation, objects: readonly PlannedObject[]): Promise<void> {
  for (const group of splitKinds(objects)) {
    const failures: { name: string; cause: unknown; text: string }[] = [];
    await runAll(group, async (planned) => {
      const { action, object, resource } = planned;
      try {
        if (action !== "unchanged") {
          await assertCanContinue(work);
          if (action === "replace") await removeForReplacement(work, planned);
          if (action === "adopt")
            await inheritFields(work.client, resource, work.namespace, object.metadata.name);
          const { force } = planned;
          await work.client.send(resource, object, { manager: FIELD_MANAGER, force });
        }
        work.report.onApplied(action, object.kind, object.metadata.name);
      } catch (error) {
        if (!(error instanceof ApiError)) throw error;
        const [problem] = readApplyProblems(object, error, planned.live !== null);
        const text = problem === undefined ? error.message : describeProblem(problem);
        failures.push({ name: `${object.kind} ${object.metadata.name}`, cause: error, text });
      }
    });
    if (failures.length > 0) throw new ApplyFailed(failures);
  }
}

/** Deletes obsolete members; the kind that is applied last is deleted first. */
export async function prune(work: ReleaseOperation, removals: readonly Removal[]): Promise<void> {
  for (const group of splitKinds(removals).toReversed()) {
    await runAll(group, async (removal) => {
      await assertCanContinue(work);
      await deleteMember(work, removal);
      work.report.onDeleted(removal.resource.kind, removal.name);
    });
  }
}

/** Ends after all calls have ended, so that no request is in flight after a failure. */
async function runAll<T>(items: readonly T[], run: (item: T) => Promise<void>): Promise<void> {
  const settled = await Promise.allSettled(items.map(run));
  const failed = settled.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/**
 * Deletes a member if it is still the object of the plan. A status that changed in between does not matter; an object
 * that has left the set is kept.
 */
async function deleteMember(work: ReleaseOperation, removal: Removal): Promise<void> {
  const { client, namespace } = work;
  const { resource, name, uid } = removal;
  let version = removal.resourceVersion;
  for (;;) {
    try {
      await client.delete(resource, namespace, name, { uid, resourceVersion: version });
      return;
    } catch (error) {
      if (!hasReason(error, "Conflict")) throw error;
      const found = await client.find(resource, namespace, name);
      const isMember = isKept(resource) || found?.metadata.labels?.[PART_OF_LABEL] !== undefined;
      if (found === null || found.metadata.uid !== uid || !isMember) return;
      version = exactly(found.metadata).resourceVersion;
    }
  }
}

async function removeForReplacement(
  work: ReleaseOperation,
  { resource, object, live }: PlannedObject,
): Promise<void> {
  if (live === null) return;
  const { client, namespace, stop, timeoutMs } = work;
  const { name } = object.metadata;
  await client.delete(resource, namespace, name, { uid: live.uid });
  const limit = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const selector = { fieldSelector: `metadata.name=${name}` };
  try {
    await waitUntilDeleted(client, resource, namespace, selector, new Set([live.uid]), limit);
  } catch (error) {
    if (stop.aborted) throw new Interrupted();
    if (!limit.aborted) throw error;
    const held = await client.find(resource, namespace, name);
    const why = held === null ? `${object.kind} ${name}` : describeEnding(held);
    throw new UserError(
      "release-failed",
      `an object that must be replaced was not deleted in time: ${why}`,
      `Run 'kubectl describe ${object.kind.toLowerCase()} ${name} -n ${namespace}' to see why it stays.`,
    );
  }
}

/** Objects that others need come first, as with kubectl and Helm; Pods that send requests come last. */
const KIND_ORDER = [
  "ConfigMap",
  "PersistentVolumeClaim",
  "NetworkPolicy",
  "Service",
  "Deployment",
  "Job",
  "Pod",
];

/** Returns one group for each kind, in the order in which kinds are applied. Within a group, the given order stays. */
function splitKinds<T extends { readonly resource: Resource }>(items: readonly T[]): T[][] {
  const groups = Map.groupBy(items, ({ resource }) => KIND_ORDER.indexOf(resource.kind));
  return [...groups].toSorted(([a], [b]) => a - b).map(([, group]) => group);
}
