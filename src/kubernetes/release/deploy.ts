import { type Deployed, DeployFailed, type DeployOptions, type Target } from "./deployment.ts";
import { beginOperation, Interrupted } from "./operation.ts";
import { hasChanges, isSettled, type Plan } from "./plan.ts";
import { makePlan } from "./planner.ts";
import { createNamespace } from "./release-namespace.ts";
import { applyRevision, retireEarlier } from "./revision-run.ts";
import type { ReleaseStore } from "./store.ts";
import { NotReady } from "./tracker.ts";
import { readyKeys, Waits } from "./waits.ts";

/**
 * Brings a release to what is wanted, from whatever state an earlier process left it in.
 * @param plan Made before; made again when the release changed since
 * @throws {DeployFailed} {@link Interrupted} `UserError`
 */
export async function deploy(
  store: ReleaseStore,
  target: Target,
  plan: Plan,
  options: DeployOptions,
): Promise<Deployed> {
  if (isDone(plan) && !plan.isLocked) return confirmDone(store, target, plan, options);
  let current = plan;
  if (plan.namespaceState === "missing") {
    await createNamespace(store, options.report);
    // Only now can be tried what the server thinks of the objects.
    current = await makePlan(store, target.objects, options);
  }
  if (options.stop.aborted) throw new Interrupted();
  const work = await beginOperation(store, options);
  try {
    current = await renewPlan(store, target, current, options);
    // Who had the lock may have done it, or died when only its traces were left to remove.
    if (isDone(current)) {
      await retireEarlier(store, current.revisions);
      return await confirmDone(store, target, current, options);
    }
    return await applyRevision(store, target, current, work, options);
  } finally {
    await work.lock.release().catch(() => {});
  }
}

function isDone(plan: Plan): boolean {
  return !hasChanges(plan) && isSettled(plan);
}

async function confirmDone(
  store: ReleaseStore,
  target: Target,
  plan: Plan,
  options: DeployOptions,
): Promise<Deployed> {
  if (!options.wait) return { revision: null };
  try {
    // Nothing is to change, so what the plan read of the objects still holds.
    await new Waits(store, options).untilReady(target.objects, readyKeys(plan.objects));
    return { revision: null };
  } catch (error) {
    if (!(error instanceof NotReady)) throw error;
    throw new DeployFailed(plan.revisions[0]?.number ?? 0, error, false);
  }
}

/** Under the lock: what was planned without it holds only if nobody changed the release in between. */
async function renewPlan(
  store: ReleaseStore,
  { objects }: Target,
  plan: Plan,
  options: DeployOptions,
): Promise<Plan> {
  const [parent, revisions] = await Promise.all([store.readParent(), store.listRevisions()]);
  const versionOf = (it: Plan["parent"]) => it?.live.metadata.resourceVersion;
  const isSame =
    versionOf(parent) === versionOf(plan.parent) &&
    revisions[0]?.resourceVersion === plan.revisions[0]?.resourceVersion;
  if (isSame) return plan;
  options.report.onReplan();
  return makePlan(store, objects, options);
}
