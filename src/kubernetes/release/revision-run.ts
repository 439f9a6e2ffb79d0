import { randomUUID } from "node:crypto";
import { errorText } from "../../lib/errors.ts";
import { isPolicy } from "../api/failure.ts";
import { isKept, RESOURCES } from "../api/resource.ts";
import { ApiError } from "../api/status.ts";
import { ApplyFailed, applyPlanned, prune } from "./apply.ts";
import { groupKindOf } from "./apply-set.ts";
import { type Deployed, DeployFailed, type DeployOptions, type Target } from "./deployment.ts";
import { assertCanContinue, Interrupted, type ReleaseOperation } from "./operation.ts";
import type { Plan, PlannedObject, Removal } from "./plan.ts";
import { listTightened, loosen } from "./policy-rollout.ts";
import type { Revision } from "./revision.ts";
import { explainRefusal } from "./rights.ts";
import type { ReleaseStore } from "./store.ts";
import { NotReady } from "./tracker.ts";
import { Waits } from "./waits.ts";

/**
 * Applies a target as a new revision. Whoever calls holds the lock.
 * @throws {DeployFailed} {@link Interrupted}
 */
export async function applyRevision(
  store: ReleaseStore,
  target: Target,
  plan: Plan,
  work: ReleaseOperation,
  options: DeployOptions,
): Promise<Deployed> {
  const { release, namespace } = store;
  const [last] = plan.revisions;
  if (last?.status === "pending") {
    options.report.onResume(last);
    await assertCanContinue(work);
    await store.markRevision(last, "interrupted", "its process ended before it was done");
  }
  const number = (last?.number ?? 0) + 1;
  const { inputs, objects } = target;
  await assertCanContinue(work);
  const revision = await store.createRevision(
    { release, namespace, revision: number, inputs, objects },
    randomUUID(),
  );
  try {
    const wantedKinds = new Set(objects.filter((object) => !isKept(object)).map(groupKindOf));
    const superset = new Set([...wantedKinds, ...(plan.parent?.groupKinds ?? [])]);
    await assertCanContinue(work);
    let parentKinds: ReadonlySet<string> = new Set(plan.parent?.groupKinds ?? []);
    if (!isSameSet(parentKinds, superset) || plan.parent === null) {
      await store.writeParent(superset);
      parentKinds = superset;
    }
    await bringAbout(store, target, plan, work, options);
    await assertCanContinue(work);
    if (!isSameSet(parentKinds, wantedKinds)) await store.writeParent(wantedKinds);
    await finishRevision(store, revision, plan.revisions);
    return { revision: number };
  } catch (error) {
    throw await recordFailure(store, revision, error, options);
  }
}

/**
 * Creates new objects first, then changes existing ones, then narrows NetworkPolicies, and removes obsolete objects last. So no
 * running link ever calls one that does not exist yet, no longer exists, or no longer admits it.
 */
async function bringAbout(
  store: ReleaseStore,
  { objects }: Target,
  plan: Plan,
  work: ReleaseOperation,
  options: DeployOptions,
): Promise<void> {
  const waits = new Waits(store, options);
  // Without a wait nobody knows when the old callers have ended.
  const tightened = options.wait ? listTightened(plan.objects) : [];
  const first = await Promise.all(
    plan.objects.map((object) => (tightened.includes(object) ? loosen(store, object) : object)),
  );
  const isNew = ({ action, object }: PlannedObject) => action === "create" && object.kind !== "Pod";
  const created = first.filter(isNew);
  const others = first.filter((object) => !isNew(object));
  await applyPlanned(work, created);
  const isUpgrade = others.some(({ action }) => action !== "create" && action !== "unchanged");
  if (options.wait && isUpgrade) await waits.untilCallable(created);
  await applyPlanned(work, others);
  if (options.wait) {
    await waits.untilReady(objects);
    if (plan.removals.length + tightened.length > 0) await waits.untilCallersEnded(objects);
  }
  await narrow(work, tightened);
  // Removed links serve while they drain, and call each other by their Services.
  const runsPods = ({ resource }: Removal) => resource === RESOURCES.deployment || resource === RESOURCES.pod;
  await prune(work, plan.removals.filter(runsPods));
  if (options.wait) await waits.untilRemovedEnded(plan.removals);
  await prune(
    work,
    plan.removals.filter((removal) => !runsPods(removal)),
  );
}

/** Applies policies as the release wants them. They were reported when they were loosened. */
async function narrow(work: ReleaseOperation, tightened: readonly PlannedObject[]): Promise<void> {
  const { report } = work;
  const silent = {
    onNamespaceCreated: () => {},
    onApplied: () => {},
    onDeleted: report.onDeleted.bind(report),
  };
  await applyPlanned(
    { ...work, report: silent },
    tightened.map((planned) => ({ ...planned, action: "change" as const })),
  );
}

/** The new one is deployed before the old one is superseded: at no moment is there none to roll back to. */
async function finishRevision(
  store: ReleaseStore,
  revision: Revision,
  earlier: readonly Revision[],
): Promise<void> {
  await store.markRevision(revision, "deployed");
  await retireEarlier(store, [{ ...revision, status: "deployed" }, ...earlier]);
}

/** Of several deployed revisions the newest is; what is too old goes. */
export async function retireEarlier(
  store: ReleaseStore,
  [newest, ...earlier]: readonly Revision[],
): Promise<void> {
  if (newest === undefined) return;
  const superseded = earlier.filter(({ status }) => status === "deployed");
  await Promise.all(superseded.map((revision) => store.markRevision(revision, "superseded")));
  const others = earlier.map((it) =>
    superseded.includes(it) ? { ...it, status: "superseded" as const } : it,
  );
  await store.trimRevisions([newest, ...others]);
}

/** Writes down why; what cannot be written does not hide the failure itself. */
async function recordFailure(
  store: ReleaseStore,
  revision: Revision,
  error: unknown,
  { stop }: DeployOptions,
): Promise<Error> {
  if (error instanceof Interrupted || stop.aborted) {
    await store.markRevision(revision, "interrupted", "stopped by its user").catch(() => {});
    return new Interrupted();
  }
  const cause = await explainFailure(store, error);
  await store.markRevision(revision, "failed", describeFailure(cause)).catch(() => {});
  return new DeployFailed(revision.number, cause);
}

async function explainFailure(store: ReleaseStore, error: unknown): Promise<Error> {
  const inner = error instanceof ApplyFailed ? error.problems[0]?.cause : error;
  if (inner instanceof ApiError && inner.status === 403 && !isPolicy(inner)) {
    return explainRefusal(store.client, store.namespace, inner);
  }
  return error instanceof Error ? error : new Error(errorText(error));
}

function describeFailure(cause: Error): string {
  if (!(cause instanceof NotReady)) return cause.message;
  const reasons = cause.tracker
    .listUnready()
    .slice(0, 10)
    .map(({ kind, name, readiness, trouble }) => `${kind} ${name}: ${trouble || readiness.message}`);
  return reasons.join("; ");
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
