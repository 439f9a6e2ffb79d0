import { KEPT_RESOURCES, MEMBER_RESOURCES, RESOURCES } from "../api/resource.ts";
import { ApiError, hasReason } from "../api/status.ts";
import { prune } from "./apply.ts";
import { groupKindOf } from "./apply-set.ts";
import { waitForDeletion } from "./deletion.ts";
import { keptSelector, selectorOf } from "./members.ts";
import { assertCanContinue, beginOperation, type RemoveOptions } from "./operation.ts";
import type { Removal } from "./plan.ts";
import { missingRelease } from "./release-namespace.ts";
import type { Revision } from "./revision.ts";
import { checkRemovalRights, explainingRefusals } from "./rights.ts";
import type { Parent, ReleaseStore } from "./store.ts";

/** Everything that removing a release would delete. */
interface RemovalPlan {
  readonly members: readonly Removal[];
  readonly revisions: readonly Revision[];
  readonly parent: Parent | null;
}

/** Kinds to look for if no parent object lists them. */
const USUAL_KINDS: readonly string[] = MEMBER_RESOURCES.filter(({ kind }) => kind !== "Job").map(groupKindOf);

/** @throws {UserError} `release-not-found`, `namespace-unusable`, `forbidden` */
export async function planRemoval(store: ReleaseStore, withStorage: boolean): Promise<RemovalPlan> {
  const found = await readAll(store, withStorage);
  if (found.parent === null && found.revisions.length === 0 && found.members.length === 0) {
    throw await missingRelease(store);
  }
  const kinds = new Set(found.members.map(({ resource }) => resource.plural));
  await checkRemovalRights(store.client, store.namespace, kinds);
  return found;
}

function readAll(store: ReleaseStore, withStorage: boolean): Promise<RemovalPlan> {
  const { client, namespace } = store;
  return explainingRefusals(client, namespace, async () => {
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
  });
}

/**
 * Removes members, then revisions, then the lock, and the parent last, so that the same command finds whatever is left.
 * If it is killed at any moment, it can be run again.
 */
export async function removeRelease(store: ReleaseStore, options: RemoveOptions): Promise<void> {
  const work = await beginOperation(store, options);
  let found: RemovalPlan;
  try {
    // Read again under the lock, because the release may have changed since the plan.
    found = await readAll(store, options.withStorage);
    await prune(work, found.members);
    if (options.wait) await waitForDeletion(store, found.members, options);
    for (const revision of found.revisions) {
      await assertCanContinue(work);
      await store.deleteRevision(revision);
    }
  } finally {
    await work.lock.release().catch(() => {});
  }
  if (found.parent === null) return;
  try {
    await store.deleteParent(found.parent);
  } catch (error) {
    // A deploy has begun since the lock was released: the parent is now its own.
    if (!hasReason(error, "Conflict")) throw error;
  }
}

/** Returns the names of the claims that a release leaves. Without the right to list claims, returns none. */
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
