// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
import type { Labels } from "./object.ts";

export const MANAGED_BY = "app.kubernetes.io/managed-by";
export const MANAGER = "chain-link";
export const DEFAULT_RELEASE = "chain-link";

/** The labels of every object of a release but the Namespace. `name` says which part it is. */
export function memberLabels(name: string, release = DEFAULT_RELEASE): Labels {
  return { ...podLabels(name, release), [MANAGED_BY]: MANAGER };
}

/**
 * The labels of a pod that a Deployment makes. Without `managed-by`: its ReplicaSet manages it, and who
 * looks for members of a release by that label must not find it.
 */
export function podLabels(name: string, release = DEFAULT_RELEASE): Labels {
  return {
    "app.kubernetes.io/instance": release,
    "app.kubernetes.io/name": name,
    "app.kubernetes.io/part-of": "chain-link",
  };
}
