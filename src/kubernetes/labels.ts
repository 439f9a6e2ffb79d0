// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
import type { Labels } from "./object.ts";

export const MANAGED_BY = "app.kubernetes.io/managed-by";
export const MANAGER = "chain-link";
export const DEFAULT_RELEASE = "chain-link";

/**
 * The labels of every object of a release but the Namespace, and of the pods of its Deployments. `name` says which
 * part it is. Membership, and so pruning, goes by the ApplySet's label, which pods do not have.
 */
export function memberLabels(name: string, release = DEFAULT_RELEASE): Labels {
  return {
    "app.kubernetes.io/instance": release,
    [MANAGED_BY]: MANAGER,
    "app.kubernetes.io/name": name,
    "app.kubernetes.io/part-of": "chain-link",
  };
}
