import type { KubernetesObject } from "./object.ts";

/** A bare Namespace, as the original's. It is no member of a release: pruning it would take all it holds. */
export function buildNamespace(name: string): KubernetesObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}
