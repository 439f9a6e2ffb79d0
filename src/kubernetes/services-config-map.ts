import { memberLabels } from "./labels.ts";
import type { KubernetesObject, ObjectOptions } from "./object.ts";

/** Name of the ConfigMap, and of its volume in the pods of links. */
export const SERVICES_LIST = "chain-link-services";

/** Maximum size of a ConfigMap's `data` that the API server accepts. */
export const MAX_LIST_BYTES = 1024 * 1024;

/** Builds the ConfigMap with `services.json`: the list of all links in order, as Python's `json.dumps` writes it. */
export function buildServicesList(names: Iterable<string>, options: ObjectOptions): KubernetesObject {
  const list = Array.from(names, (name) => JSON.stringify(name));
  return {
    apiVersion: "v1",
    data: { "services.json": `[${list.join(", ")}]` },
    kind: "ConfigMap",
    metadata: {
      labels: memberLabels("chain-link", options.release),
      name: SERVICES_LIST,
      namespace: options.namespace,
    },
  };
}
