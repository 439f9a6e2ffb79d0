import type { LiveObject } from "../api/live-object.ts";
import { type Resource, resourceOf } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import type { Difference } from "./difference.ts";
import { type Readiness, readReadiness } from "./readiness.ts";
import type { Revision } from "./revision.ts";
import type { Parent } from "./store.ts";

/** `adopt`: it exists and was not ours. `replace`: it cannot be changed, so it is deleted and made again. */
export type Action = "create" | "change" | "replace" | "adopt" | "unchanged";

export interface PlannedObject {
  readonly action: Action;
  readonly resource: Resource;
  /** As it is applied: with the label of its set. */
  readonly object: KubernetesObject;
  /** Takes fields from other managers. */
  readonly force: boolean;
  readonly differences: readonly Difference[];
  /** Of the object that lives. */
  readonly live: LiveReference | null;
}

export interface LiveReference {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly readiness: Readiness;
}

/** A member that is wanted no longer. */
export interface Removal {
  readonly resource: Resource;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** `unknown`: we may not look, and go on. */
export type NamespaceState = "missing" | "active" | "unknown";

/** What a deploy would do. Nothing was changed to find it out. */
export interface Plan {
  readonly namespaceState: NamespaceState;
  readonly parent: Parent | null;
  /** There is a lock: another process works on the release, or one died. */
  readonly isLocked: boolean;
  /** Newest first. */
  readonly revisions: readonly Revision[];
  readonly objects: readonly PlannedObject[];
  readonly removals: readonly Removal[];
}

export interface PlanOptions {
  /** Takes fields that others changed. */
  readonly forceConflicts: boolean;
  /** Takes objects that exist and are nobody's release. */
  readonly takeOwnership: boolean;
}

export function hasChanges({ objects, removals, namespaceState }: Plan): boolean {
  return (
    namespaceState === "missing" ||
    removals.length > 0 ||
    objects.some(({ action }) => action !== "unchanged")
  );
}

/** Whether the last revision was finished: otherwise even a plan without changes has something to finish. */
export function isSettled({ revisions, parent }: Pick<Plan, "revisions" | "parent">): boolean {
  return parent !== null && revisions[0]?.status === "deployed";
}

/** As if nothing had to be done for an object. */
export function planned(object: KubernetesObject): PlannedObject {
  return {
    action: "unchanged",
    resource: resourceOf(object),
    object,
    force: false,
    differences: [],
    live: null,
  };
}

export function refer(live: LiveObject): LiveReference {
  const { uid, resourceVersion } = live.metadata;
  return { uid, resourceVersion, readiness: readReadiness(live) };
}

/** Identifies an object within a namespace. */
export function keyOf({
  kind,
  metadata,
}: {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}): string {
  return `${kind}/${metadata.name}`;
}
