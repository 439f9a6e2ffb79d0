import { UserError } from "../../lib/errors.ts";
import { KEPT_RESOURCES, MEMBER_RESOURCES, RESOURCES } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { before, Interrupted, prune, type Reporter, type Work } from "./apply.ts";
import { groupKindOf } from "./apply-set.ts";
import { waitUntilGone } from "./gone.ts";
import { ReleaseLock } from "./lock.ts";
import { keptSelector, selectorOf } from "./members.ts";
import type { Removal } from "./plan.ts";
import { findNamespace } from "./release-namespace.ts";
import type { Revision } from "./revision.ts";
import { explainRefusal, terminating } from "./rights.ts";
import { noRelease, type Parent, type ReleaseStore } from "./store.ts";

/** What removing a release would remove. */
export interface RemovalPlan {
  readonly members: readonly Removal[];
  readonly revisions: readonly Revision[];
  readonly parent: Parent | null;
}

export interface RemoveOptions {
  readonly wait: boolean;
  /** Deletes what the release would leave behind, too. */
  readonly withStorage: boolean;
  readonly timeoutMs: number;
  readonly stop: AbortSignal;
  readonly report: Reporter & {
    onLockWait(holder: string, seconds: number): void;
    onEnding(pods: number): void;
  };
}

/** Kinds that a release may have when no parent says it. */
const USUAL_KINDS: readonly string[] = MEMBER_RESOURCES.filter(({ kind }) => kind !== "Job").map(groupKindOf);

/** @throws {UserError} `release-not-found`, `namespace-unusable` */
export async function planRemoval(store: ReleaseStore, withStorage: boolean): Promise<RemovalPlan> {
  const found = await readAll(store, withStorage);
  if (found.parent === null && found.revisions.length === 0 && found.members.length === 0) {
    const namespace = await findNamespace(store);
    if (namespace?.status?.phase === "Terminating") throw terminating(store.namespace);
    throw noRelease(store);
  }
  return found;
}

async function readAll(store: ReleaseStore, withStorage: boolean): Promise<RemovalPlan> {
  const { client, namespace } = store;
  try {
    const [parent, revisions] = await Promise.all([store.readParent(), store.listRevisions()]);
    const kinds = new Set(parent?.groupKinds ?? USUAL_KINDS);
    const resources = MEMBER_RESOURCES.filter((resource) => kinds.has(groupKindOf(resource)));
    const lists = [...(withStorage ? KEPT_RESOURCES : []), ...resources].map(async (resource) => {
      const labelSelector = selectorOf(resource, store);
      const objects = await client.listAll(resource, namespace, { labelSelector, metadataOnly: true });
      return objects.map(({ metadata: { name, uid, resourceVersion } }) => ({
        resource,
        name,
        uid,
        resourceVersion,
      }));
    });
    return { parent, revisions, members: (await Promise.all(lists)).flat() };
  } catch (error) {
    if (error instanceof ApiError && error.status === 403)
      throw await explainRefusal(client, namespace, error);
    throw error;
  }
}

/**
 * Removes members, then revisions, then the lock, and the parent last: as long as something is left, the same command
 * finds it. Killed at any moment, it can simply be run again.
 */
export async function removeRelease(store: ReleaseStore, options: RemoveOptions): Promise<void> {
  const { client, namespace, release } = store;
  const lock = await ReleaseLock.acquire(client, namespace, release, {
    onWait: (holder, seconds) => options.report.onLockWait(holder, seconds),
  });
  const work: Work = {
    client,
    namespace,
    lock,
    stop: options.stop,
    timeoutMs: options.timeoutMs,
    report: options.report,
  };
  let found: RemovalPlan;
  try {
    // Under the lock: what was planned without it may have changed since.
    found = await readAll(store, options.withStorage);
    await prune(work, found.members);
    if (options.wait) await waitForEnd(store, found.members, options);
    for (const revision of found.revisions) {
      await before(work);
      await store.deleteRevision(revision);
    }
  } finally {
    await lock.release().catch(() => {});
  }
  if (found.parent === null) return;
  try {
    await store.deleteParent(found.parent);
  } catch (error) {
    // A deploy has begun since we let go of the lock: what is there now is its.
    if (!hasReason(error, "Conflict")) throw error;
  }
}

/** Names of claims that a release made, and leaves behind. Who may not look is told of none. */
export async function listClaims({ client, namespace, release }: ReleaseStore): Promise<string[]> {
  try {
    const selector = { labelSelector: keptSelector(release), metadataOnly: true };
    const claims = await client.listAll(RESOURCES.persistentVolumeClaim, namespace, selector);
    return claims.map(({ metadata }) => metadata.name);
  } catch (error) {
    if (error instanceof ApiError && error.status === 403) return [];
    throw error;
  }
}

/** Pods end later than what made them. */
async function waitForEnd(
  store: ReleaseStore,
  members: readonly Removal[],
  { stop, timeoutMs, report }: RemoveOptions,
): Promise<void> {
  const { client, namespace, release } = store;
  const limit = AbortSignal.any([stop, AbortSignal.timeout(timeoutMs)]);
  const labelSelector = `app.kubernetes.io/instance=${release},app.kubernetes.io/part-of=chain-link`;
  try {
    const resources = new Set(members.map(({ resource }) => resource));
    await Promise.all(
      [...resources].map((resource) => {
        const uids = members.filter((member) => member.resource === resource).map(({ uid }) => uid);
        const selector = { labelSelector: selectorOf(resource, store) };
        return waitUntilGone(client, resource, namespace, selector, new Set(uids), limit);
      }),
    );
    const pods = await client.listAll(RESOURCES.pod, namespace, { labelSelector, metadataOnly: true });
    if (pods.length > 0) report.onEnding(pods.length);
    const uids = new Set(pods.map(({ metadata }) => metadata.uid));
    await waitUntilGone(client, RESOURCES.pod, namespace, { labelSelector }, uids, limit);
  } catch (error) {
    if (stop.aborted) throw new Interrupted();
    if (!limit.aborted) throw error;
    throw new UserError(
      "release-failed",
      `objects of release ${JSON.stringify(release)} did not end in time; the release is still recorded`,
      "Run the same command again, with a longer --timeout if its pods need long to end.",
    );
  }
}
