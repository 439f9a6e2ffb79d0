import type { KubernetesObject } from "./object.ts";

/** Builds a bare Namespace, as the original does. It is not part of a release, because pruning it would delete everything in it. */
export function buildNamespace(name: string): KubernetesObject {
  return { apiVersion: "v1", kind: "Namespace", metadata: { name } };
}
