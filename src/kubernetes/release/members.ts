import type { LiveObject } from "../api/live-object.ts";
import { isKept, KEPT_RESOURCES, MEMBER_RESOURCES, type Resource } from "../api/resource.ts";
import { MANAGED_BY, MANAGER } from "../labels.ts";
import type { KubernetesObject } from "../object.ts";
import { applySetId, groupKindOf, PART_OF_LABEL, parentOf } from "./apply-set.ts";
import { hasFormerManager } from "./former-managers.ts";
import { isApplied } from "./owned-fields.ts";
import { keyOf, type PlannedObject, planned, type Removal, refer } from "./plan.ts";
import { hasEnded } from "./readiness.ts";
import { leaveScaled } from "./scaling.ts";
import type { Parent, ReleaseStore } from "./store.ts";

/** The objects of a set, compared with those that are wanted. */
export interface Members {
  /** Wanted objects that are members already; by {@link keyOf}. */
  readonly found: Map<string, PlannedObject>;
  /** Those of them that seem to differ. */
  readonly candidates: readonly LiveObject[];
  /** Those of them whose replicas somebody else set, and which do not differ otherwise. */
  readonly scaled: readonly LiveObject[];
  readonly removals: readonly Removal[];
}

/** Kept objects carry no label of the set: nothing that prunes sees them. */
export function keptSelector(release: string): string {
  return `app.kubernetes.io/instance=${release},${MANAGED_BY}=${MANAGER}`;
}

/** Finds the objects of one kind that a release made. */
export function selectorOf(resource: Resource, { release, namespace }: ReleaseStore): string {
  return isKept(resource)
    ? keptSelector(release)
    : `${PART_OF_LABEL}=${applySetId(parentOf(release, namespace))}`;
}

/** Reads all members, and kept objects of the release, page by page; keeps in memory only those that differ. */
export async function compareMembers(
  store: ReleaseStore,
  wanted: ReadonlyMap<string, KubernetesObject>,
  parent: Parent | null,
  takeOwnership: boolean,
): Promise<Members> {
  const kinds = new Set([...wanted.values().map(groupKindOf), ...(parent?.groupKinds ?? [])]);
  const resources = [...MEMBER_RESOURCES, ...KEPT_RESOURCES].filter((resource) =>
    kinds.has(groupKindOf(resource)),
  );
  const found = new Map<string, PlannedObject>();
  const candidates: LiveObject[] = [];
  const scaled: LiveObject[] = [];
  const removals: Removal[] = [];
  const lists = resources.map(async (resource) => {
    let own: LiveObject[] = [];
    let scaledHere: LiveObject[] = [];
    let gone: Removal[] = [];
    const compare = (live: LiveObject) => {
      const key = keyOf(live);
      const object = wanted.get(key);
      const { name, uid, resourceVersion, deletionTimestamp } = live.metadata;
      if (object === undefined) {
        if (isKept(resource)) return;
        gone.push({ resource, name, uid, resourceVersion });
        return;
      }
      const asked = leaveScaled(object, live);
      const isInherited = takeOwnership && hasFormerManager(live);
      const isSame =
        deletionTimestamp === undefined && !isInherited && !hasEnded(live) && isApplied(asked, live);
      found.set(
        key,
        isSame
          ? { ...planned(asked), live: refer(live) }
          : { ...planned(object), action: isInherited ? "adopt" : "change", live: refer(live) },
      );
      if (!isSame) own.push(live);
      else if (asked !== object) scaledHere.push(live);
    };
    const restart = () => {
      own = [];
      scaledHere = [];
      gone = [];
    };
    const selector = { labelSelector: selectorOf(resource, store) };
    await store.client.list(resource, store.namespace, selector, compare, restart);
    candidates.push(...own);
    scaled.push(...scaledHere);
    removals.push(...gone);
  });
  await Promise.all(lists);
  return { found, candidates, scaled, removals };
}
