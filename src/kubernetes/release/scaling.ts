import { UserError } from "../../lib/errors.ts";
import type { LiveObject } from "../api/live-object.ts";
import { ApiError } from "../api/status.ts";
import type { KubernetesObject } from "../object.ts";
import { findScaler } from "./owned-fields.ts";
import { keyOf } from "./plan.ts";
import type { Revision } from "./revision.ts";
import type { ReleaseStore } from "./store.ts";

/** Without `spec.replicas` where somebody else scales. */
export function leaveScaled(object: KubernetesObject, live: LiveObject): KubernetesObject {
  if (object.kind !== "Deployment" || findScaler(live) === undefined) return object;
  const { replicas: _, ...spec } = object.spec as Record<string, never>;
  return { ...object, spec };
}

export function readReplicas(object: KubernetesObject): unknown {
  return (object.spec as { readonly replicas?: unknown } | undefined)?.replicas;
}

/**
 * What the last revision asked for, where somebody scaled a Deployment since: only a number that the user changed
 * is applied over theirs.
 * @returns By {@link keyOf}
 */
export async function readPriorReplicas(
  store: ReleaseStore,
  candidates: readonly LiveObject[],
  revisions: readonly Revision[],
): Promise<ReadonlyMap<string, unknown>> {
  const last = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  if (last === undefined || !candidates.some((live) => findScaler(live) !== undefined)) return new Map();
  try {
    const { objects } = await store.readContent(last);
    return new Map(objects.map((object) => [keyOf(object), readReplicas(object)]));
  } catch (error) {
    // Somebody removed or replaced it: then nobody knows, and the scaled number stays.
    if (error instanceof UserError && !(error instanceof ApiError)) return new Map();
    throw error;
  }
}
