import { randomUUID } from "node:crypto";
import { errorText, UserError } from "../../lib/errors.ts";
import { RESOURCES } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { buildNamespace } from "../namespace.ts";
import type { KubernetesObject } from "../object.ts";
import { SERVICES_LIST } from "../services-config-map.ts";
import { ApplyFailed, applyPlanned, before, Interrupted, prune, type Reporter, type Work } from "./apply.ts";
import { groupKindOf } from "./apply-set.ts";
import { ReleaseLock } from "./lock.ts";
import { FIELD_MANAGER } from "./owned-fields.ts";
import { hasChanges, isSettled, keyOf, makePlan, type Plan, type PlanOptions } from "./plan.ts";
import type { Revision, RevisionInputs } from "./revision.ts";
import { explainRefusal } from "./rights.ts";
import { waitForServicesList } from "./services-delivery.ts";
import type { ReleaseStore } from "./store.ts";
import { NotReady, ReadinessTracker } from "./tracker.ts";

/** What a release is to be. */
export interface Target {
  /** Without the Namespace, in the order in which they are applied. */
  readonly objects: readonly KubernetesObject[];
  readonly inputs: RevisionInputs;
}

export interface DeployOptions extends PlanOptions {
  readonly wait: boolean;
  readonly timeoutMs: number;
  /** Aborted at the first Ctrl-C. */
  readonly stop: AbortSignal;
  readonly report: DeployReporter;
}

export interface DeployReporter extends Reporter {
  onLockWait(holder: string, seconds: number): void;
  /** A revision whose process died is finished by this one. */
  onResume(revision: Revision): void;
  /** Somebody changed the release since it was planned. */
  onReplan(): void;
  /** The wait begins; `onProgress` follows. */
  onWait(tracker: ReadinessTracker): void;
  onProgress(tracker: ReadinessTracker): void;
  onWaitEnd(): void;
  /** Links still serve an older list of services. */
  onLateLinks(count: number): void;
}

export interface Deployed {
  /** `null` when there was nothing to do. */
  readonly revision: number | null;
}

/** Annotation of a Namespace that a release made; only such a one is ever deleted. */
export const CREATED_BY = "chain-link.dev/created-by";

/** A deploy that began and did not end well; the cluster says `failed` or `interrupted`, too. */
export class DeployFailed extends Error {
  override readonly name = "DeployFailed";

  constructor(
    readonly revision: number,
    override readonly cause: NotReady | ApplyFailed | Error,
  ) {
    super(cause.message, { cause });
  }
}

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
  const { client, namespace } = store;
  if (isDone(plan) && !plan.isLocked) return confirmDone(store, target, plan, options);
  let current = plan;
  if (plan.namespaceState === "missing") {
    await createNamespace(store, options);
    // Only now can be tried what the server thinks of the objects.
    current = await makePlan(store, target.objects, options);
  }
  if (options.stop.aborted) throw new Interrupted();
  const lock = await acquireLock(store, options);
  const work: Work = {
    client,
    namespace,
    lock,
    stop: options.stop,
    timeoutMs: options.timeoutMs,
    report: options.report,
  };
  try {
    current = await renewPlan(store, target, current, options);
    // Who had the lock may have done it, or died when only its traces were left to remove.
    if (isDone(current)) {
      await retireEarlier(store, current.revisions);
      return await confirmDone(store, target, current, options);
    }
    return await applyRevision(store, target, current, work, options);
  } finally {
    await lock.release().catch(() => {});
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
    await waitUntilServed(store, target, plan, options);
    return { revision: null };
  } catch (error) {
    if (!(error instanceof NotReady)) throw error;
    throw new DeployFailed(plan.revisions[0]?.number ?? 0, error);
  }
}

/**
 * Applies a target as a new revision. Whoever calls holds the lock.
 * @throws {DeployFailed} {@link Interrupted}
 */
async function applyRevision(
  store: ReleaseStore,
  target: Target,
  plan: Plan,
  work: Work,
  options: DeployOptions,
): Promise<Deployed> {
  const { release, namespace } = store;
  const [last] = plan.revisions;
  if (last?.status === "pending") {
    options.report.onResume(last);
    await before(work);
    await store.markRevision(last, "interrupted", "its process ended before it was done");
  }
  const number = (last?.number ?? 0) + 1;
  const { inputs, objects } = target;
  await before(work);
  const revision = await store.createRevision(
    { release, namespace, revision: number, inputs, objects },
    randomUUID(),
  );
  try {
    const wantedKinds = new Set(objects.map(groupKindOf));
    const superset = new Set([...wantedKinds, ...(plan.parent?.groupKinds ?? [])]);
    await before(work);
    let parentKinds: ReadonlySet<string> = new Set(plan.parent?.groupKinds ?? []);
    if (!isSameSet(parentKinds, superset) || plan.parent === null) {
      await store.writeParent(superset);
      parentKinds = superset;
    }
    await applyPlanned(work, plan.objects);
    if (options.wait) await waitUntilServed(store, target, plan, options);
    await prune(work, plan.removals);
    await before(work);
    if (!isSameSet(parentKinds, wantedKinds)) await store.writeParent(wantedKinds);
    await finishRevision(store, revision, plan.revisions);
    return { revision: number };
  } catch (error) {
    throw await recordFailure(store, revision, error, options);
  }
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
async function retireEarlier(store: ReleaseStore, [newest, ...earlier]: readonly Revision[]): Promise<void> {
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
  if (inner instanceof ApiError && inner.status === 403) {
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

async function createNamespace(
  { client, namespace, release }: ReleaseStore,
  options: DeployOptions,
): Promise<void> {
  const bare = buildNamespace(namespace);
  const object = { ...bare, metadata: { ...bare.metadata, annotations: { [CREATED_BY]: release } } };
  try {
    await client.create(RESOURCES.namespace, null, object, FIELD_MANAGER);
    options.report.onNamespaceCreated(namespace);
  } catch (error) {
    // Somebody else made it, or an attempt of ours arrived though its answer did not.
    if (hasReason(error, "AlreadyExists")) return;
    if (!(error instanceof ApiError) || error.status !== 403) throw error;
    throw new UserError(
      "forbidden",
      `the namespace ${JSON.stringify(namespace)} does not exist, and ${client.access.userName} may not create it`,
      `Ask for it (kubectl create namespace ${namespace}), or name one that exists with --namespace.`,
      { cause: error },
    );
  }
}

async function acquireLock(store: ReleaseStore, { report, stop }: DeployOptions): Promise<ReleaseLock> {
  const { client, namespace, release } = store;
  try {
    const lock = await ReleaseLock.acquire(client, namespace, release, {
      onWait: (holder, seconds) => report.onLockWait(holder, seconds),
    });
    if (!stop.aborted) return lock;
    await lock.release();
    throw new Interrupted();
  } catch (error) {
    if (error instanceof ApiError && error.status === 403)
      throw await explainRefusal(client, namespace, error);
    throw error;
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

/** Waits until all objects are ready, and links that stay know the new list of services. */
async function waitUntilServed(
  { client, namespace, release }: ReleaseStore,
  { objects }: Target,
  plan: Plan,
  { stop, timeoutMs, report }: DeployOptions,
): Promise<void> {
  // Where nothing is to change, what the plan read of the objects still holds.
  const known = hasChanges(plan) ? [] : plan.objects;
  const tracker: ReadinessTracker = new ReadinessTracker({
    client,
    namespace,
    release,
    objects,
    ready: new Set(
      known.filter(({ live }) => live?.readiness.state === "current").map(({ object }) => keyOf(object)),
    ),
    onChange: () => report.onProgress(tracker),
  });
  const limit = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  report.onWait(tracker);
  try {
    await tracker.waitUntilReady(limit);
    const list = plan.objects.find(({ object }) => object.metadata.name === SERVICES_LIST);
    // An interrupted deploy may have changed the list before.
    if (list?.action === "unchanged" && isSettled(plan)) return;
    const late = await waitForServicesList(client, namespace, release, objects, limit, (count) =>
      report.onLateLinks(count),
    );
    if (late.length > 0 && !stop.aborted) throw lateLinks(late);
  } catch (error) {
    if (stop.aborted) throw new Interrupted();
    throw error;
  } finally {
    report.onWaitEnd();
  }
  if (stop.aborted) throw new Interrupted();
}

function lateLinks(late: readonly { readonly pod: string; readonly reason: string }[]): UserError {
  const shown = late.slice(0, 5).map(({ pod, reason }) => `  ${pod}: ${reason}`);
  return new UserError(
    "release-failed",
    `the new list of services did not reach ${late.length} links in time:\n${shown.join("\n")}`,
    "Kubelets renew a ConfigMap's files within about 90 s: deploy again, or with a longer --timeout.",
  );
}

function isSameSet(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  return a.size === b.size && a.isSubsetOf(b);
}
