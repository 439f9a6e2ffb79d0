import type { LiveObject } from "../api/live-object.ts";
import { MEMBER_RESOURCES } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import { groupKindOf, PART_OF_LABEL } from "./apply-set.ts";
import { isApplied } from "./owned-fields.ts";
import { keyOf, type PlannedObject, planned, type Removal, refer } from "./plan.ts";
import { leaveScaled } from "./scaling.ts";
import type { Parent, ReleaseStore } from "./store.ts";

/** The objects of a set, compared with those that are wanted. */
export interface Members {
  /** Wanted objects that are members already; by {@link keyOf}. */
  readonly found: Map<string, PlannedObject>;
  /** Those of them that seem to differ. */
  readonly candidates: readonly LiveObject[];
  readonly removals: readonly Removal[];
}

/** Reads all members page by page, and keeps only those that differ. */
export async function compareMembers(
  { client, namespace }: ReleaseStore,
  id: string,
  wanted: ReadonlyMap<string, KubernetesObject>,
  parent: Parent | null,
): Promise<Members> {
  const kinds = new Set([...wanted.values().map(groupKindOf), ...(parent?.groupKinds ?? [])]);
  const resources = MEMBER_RESOURCES.filter((resource) => kinds.has(groupKindOf(resource)));
  const found = new Map<string, PlannedObject>();
  const candidates: LiveObject[] = [];
  const removals: Removal[] = [];
  const lists = resources.map(async (resource) => {
    let own: LiveObject[] = [];
    let gone: Removal[] = [];
    const compare = (live: LiveObject) => {
      const key = keyOf(live);
      const object = wanted.get(key);
      const { name, uid, resourceVersion, deletionTimestamp } = live.metadata;
      if (object === undefined) {
        gone.push({ resource, name, uid, resourceVersion });
        return;
      }
      const asked = leaveScaled(object, live);
      const isSame = deletionTimestamp === undefined && isApplied(asked, live);
      found.set(
        key,
        isSame
          ? { ...planned(asked), live: refer(live) }
          : { ...planned(object), action: "change", live: refer(live) },
      );
      if (!isSame) own.push(live);
    };
    const restart = () => {
      own = [];
      gone = [];
    };
    const selector = { labelSelector: `${PART_OF_LABEL}=${id}` };
    await client.list(resource, namespace, selector, compare, restart);
    candidates.push(...own);
    removals.push(...gone);
  });
  await Promise.all(lists);
  return { found, candidates, removals };
}
