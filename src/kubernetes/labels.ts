// https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels/
import type { Labels } from "./object.ts";

export const MANAGED_BY = "app.kubernetes.io/managed-by";
export const MANAGER = "chain-link";
export const DEFAULT_RELEASE = "chain-link";

/**
 * Labels of every object of a release except the Namespace, and of its pods. `name` is the component. Pruning uses the
 * ApplySet label instead, which pods do not have.
 */
export function memberLabels(name: string, release = DEFAULT_RELEASE): Labels {
  return {
    "app.kubernetes.io/instance": release,
    [MANAGED_BY]: MANAGER,
    "app.kubernetes.io/name": name,
    "app.kubernetes.io/part-of": "chain-link",
  };
}
