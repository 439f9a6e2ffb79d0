import type { LiveObject } from "../api/live-object.ts";
import { type Resource, resourceOf } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import type { Difference } from "./difference.ts";
import { type Readiness, readReadiness } from "./readiness.ts";
import type { Revision } from "./revision.ts";
import type { Parent } from "./store.ts";

/** `adopt`: it exists and no release owns it. `replace`: it cannot be changed, so it is deleted and created again. */
export type Action = "create" | "change" | "replace" | "adopt" | "unchanged";

export interface PlannedObject {
  readonly action: Action;
  readonly resource: Resource;
  /** The object as it is applied, with the label of its ApplySet. */
  readonly object: KubernetesObject;
  /** Whether to overwrite fields that other managers own. */
  readonly force: boolean;
  readonly differences: readonly Difference[];
  /** The live object; `null` if there is none. */
  readonly live: LiveReference | null;
}

interface LiveReference {
  readonly uid: string;
  readonly resourceVersion: string;
  readonly readiness: Readiness;
}

/** A member that the release no longer has. */
export interface Removal {
  readonly resource: Resource;
  readonly name: string;
  readonly uid: string;
  readonly resourceVersion: string;
}

/** `unknown`: we may not read namespaces, and continue. */
export type NamespaceState = "missing" | "active" | "unknown";

/** Everything that a deploy would do. Making a plan changes nothing. */
export interface Plan {
  readonly namespaceState: NamespaceState;
  readonly parent: Parent | null;
  /** Whether a lock exists: another process is changing the release, or one died. */
  readonly isLocked: boolean;
  /** Newest first. */
  readonly revisions: readonly Revision[];
  readonly objects: readonly PlannedObject[];
  readonly removals: readonly Removal[];
}

export interface PlanOptions {
  /** Overwrite fields that other managers changed. */
  readonly forceConflicts: boolean;
  /** Adopt existing objects that no release owns. */
  readonly takeOwnership: boolean;
}

export function hasChanges({ objects, removals, namespaceState }: Plan): boolean {
  return (
    namespaceState === "missing" ||
    removals.length > 0 ||
    objects.some(({ action }) => action !== "unchanged")
  );
}

/** Whether the last revision is deployed. Otherwise even a plan without changes must be completed. */
export function isSettled({ revisions, parent }: Pick<Plan, "revisions" | "parent">): boolean {
  return parent !== null && revisions[0]?.status === "deployed";
}

/** Returns the plan of an object that needs no change. */
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

/** Returns `Kind/name`, which identifies an object within a namespace. */
export function keyOf({
  kind,
  metadata,
}: {
  readonly kind: string;
  readonly metadata: { readonly name: string };
}): string {
  return `${kind}/${metadata.name}`;
}
