// https://kubernetes.io/docs/concepts/services-networking/network-policies/

import { LINK_PORT, ZIPKIN_PORT } from "../lib/default-address.ts";
import { isCall, type Topology } from "../topology/model.ts";
import { CANARY, CANARY_PORT, CANARY_SELECTOR } from "./canary.ts";
import { memberLabels } from "./labels.ts";
import type { LinkPlace } from "./link.ts";
import { LOAD_GENERATOR, LOAD_GENERATOR_PORT, LOAD_GENERATOR_SELECTOR } from "./load-generator.ts";
import type { KubernetesObject, Labels, ObjectOptions, Plain } from "./object.ts";
import { ZIPKIN_SELECTOR, ZIPKIN_SERVICE } from "./zipkin.ts";

/**
 * Builds one NetworkPolicy each for every link, for Zipkin and for the load generator, named like its Service or Pod. A link
 * accepts traffic from the links that call it and from the canary. The entry, Zipkin, the load generator's ledger and the
 * canary's metrics accept traffic from everywhere. Egress is not limited, because pods must reach DNS and spans may go to
 * another namespace.
 *
 * Kubelets always reach the pods of their own node, so probes need no rule. A link serves its metrics on the port of its
 * requests, and policies know no paths, so Prometheus needs a policy of its own.
 */
export function buildNetworkPolicies(
  topology: Topology,
  links: readonly LinkPlace[],
  options: ObjectOptions,
): KubernetesObject[] {
  const callers = findCallers(topology);
  const selectors = new Map(links.map((link) => [link.service.name, link.selector] as const));
  const policy = (
    name: string,
    part: string,
    podSelector: Labels,
    ingress: readonly Plain[],
  ): KubernetesObject => ({
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { labels: memberLabels(part, options.release), name, namespace: options.namespace },
    spec: { ingress, podSelector: { matchLabels: podSelector }, policyTypes: ["Ingress"] },
  });
  return [
    ...(typeof options.collector !== "object"
      ? [policy(ZIPKIN_SERVICE, "zipkin", ZIPKIN_SELECTOR, [fromAnywhere(ZIPKIN_PORT)])]
      : []),
    ...links.map(({ service: { name }, selector }) => {
      const from = [...(callers.get(name) ?? [])].map((caller) => selectors.get(caller) ?? {});
      // The canary reads the counters of every link.
      if (options.canary === true) from.push(CANARY_SELECTOR);
      const isEntry = name === topology.entry;
      const ingress = isEntry ? [fromAnywhere(LINK_PORT)] : from.length === 0 ? [] : [fromPods(from)];
      return policy(name, "chain-link", selector, ingress);
    }),
    policy(LOAD_GENERATOR, LOAD_GENERATOR, LOAD_GENERATOR_SELECTOR, [fromAnywhere(LOAD_GENERATOR_PORT)]),
    ...(options.canary === true
      ? [policy(CANARY, CANARY, CANARY_SELECTOR, [fromAnywhere(CANARY_PORT)])]
      : []),
  ];
}

function fromAnywhere(port: number): Plain {
  return { ports: [{ port, protocol: "TCP" }] };
}

function fromPods(selectors: readonly Labels[]): Plain {
  return {
    from: selectors.map((matchLabels) => ({ podSelector: { matchLabels } })),
    ports: [{ port: LINK_PORT, protocol: "TCP" }],
  };
}

/** Returns the callers of each service, in document order. */
function findCallers(topology: Topology): Map<string, Set<string>> {
  const callers = new Map<string, Set<string>>();
  for (const { name, steps } of topology.services.values()) {
    for (const { service } of steps.flat().filter(isCall)) {
      const known = callers.get(service) ?? new Set();
      callers.set(service, known.add(name));
    }
  }
  return callers;
}
