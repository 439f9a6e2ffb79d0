import { UserError } from "../../lib/errors.ts";
import type { LiveObject } from "../api/live-object.ts";
import { ApiError } from "../api/status.ts";
import type { KubernetesObject } from "../object.ts";
import { findScaler, isScaled } from "./owned-fields.ts";
import { keyOf } from "./plan.ts";
import type { Revision } from "./revision.ts";
import type { ReleaseStore } from "./store.ts";

/** The field manager of the autoscaler, which would set its own number again at once. */
export const AUTOSCALER = "kube-controller-manager";

/** Without `spec.replicas` where somebody else scales. */
export function leaveScaled(object: KubernetesObject, live: LiveObject): KubernetesObject {
  if (object.kind !== "Deployment" || !isScaled(live)) return object;
  const { replicas: _, ...spec } = object.spec as Record<string, never>;
  return { ...object, spec };
}

/** What the last revision asked for, by {@link keyOf}. */
type PriorReplicas = ReadonlyMap<string, unknown>;

/** Whether the number that somebody scaled to has to go, as the user asks for another one than last time. */
export function isRescaled(
  object: KubernetesObject,
  live: LiveObject,
  prior: PriorReplicas,
  forceConflicts: boolean,
): boolean {
  if (!isScaled(live) || (findScaler(live)?.manager === AUTOSCALER && !forceConflicts)) return false;
  const key = keyOf(object);
  return prior.has(key) && prior.get(key) !== readReplicas(object);
}

/** Of the last revision that was deployed; reads it only where somebody scaled a Deployment. */
export async function readPriorReplicas(
  store: ReleaseStore,
  members: readonly LiveObject[],
  revisions: readonly Revision[],
): Promise<PriorReplicas> {
  const last = revisions.find(({ status }) => status === "deployed") ?? revisions[0];
  if (last === undefined || !members.some(isScaled)) return new Map();
  try {
    const { objects } = await store.readContent(last);
    return new Map(objects.map((object) => [keyOf(object), readReplicas(object)]));
  } catch (error) {
    // Somebody removed or replaced it: then nobody knows, and the scaled number stays.
    if (error instanceof UserError && !(error instanceof ApiError)) return new Map();
    throw error;
  }
}

function readReplicas(object: KubernetesObject): unknown {
  return (object.spec as { readonly replicas?: unknown } | undefined)?.replicas;
}
