import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { isCall, type Topology } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";

const SHOP = readFileSync(new URL("../fixtures/kubernetes/shop.yaml", import.meta.url), "utf8");

/** As the API would see it, free to be looked into. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads fields of several kinds of objects
type Wire = any;
type Labels = Readonly<Record<string, string>>;

/** Somebody in another namespace, or outside. */
const STRANGER = null;

/** The rules as a network plugin evaluates them, from the text of the specification and nothing of ours. */
class Cluster {
  readonly policies: Wire[];
  readonly pods: ReadonlyMap<string, Labels>;
  readonly services: Wire[];

  constructor(topology: Topology, canary = false) {
    const options = { namespace: "demo", networkPolicy: "edges", canary } as const;
    const objects: Wire[] = JSON.parse(JSON.stringify(buildObjects(topology, options)));
    const ofKind = (kind: string) => objects.filter((object) => object.kind === kind);
    this.policies = ofKind("NetworkPolicy");
    this.services = ofKind("Service");
    this.pods = new Map([
      ...ofKind("Deployment").map(
        ({ metadata, spec }) => [metadata.name, spec.template.metadata.labels] as const,
      ),
      ...ofKind("Pod").map(({ metadata }) => [metadata.name, metadata.labels] as const),
    ]);
  }

  /** Whether a pod (by the name of its Deployment, or its own) may open a connection to a Service's pods. */
  canReach(from: string | null, serviceName: string): boolean {
    const { spec } = this.services.find(({ metadata }) => metadata.name === serviceName);
    const [target = ""] = [...this.pods].find(([, labels]) => matches(spec.selector, labels)) ?? [];
    return this.canReachPod(from, target, spec.ports[0].targetPort);
  }

  canReachPod(from: string | null, to: string, port: number): boolean {
    const target = this.pods.get(to) ?? {};
    const source = from === STRANGER ? null : (this.pods.get(from) ?? {});
    const isolating = this.policies.filter(
      ({ spec }) => spec.policyTypes.includes("Ingress") && matches(spec.podSelector.matchLabels, target),
    );
    if (isolating.length === 0) return true;
    return isolating
      .flatMap(({ spec }) => spec.ingress ?? [])
      .some(
        (rule: Wire) =>
          (rule.ports === undefined ||
            rule.ports.some((it: Wire) => it.port === port && it.protocol === "TCP")) &&
          // Without `from` anybody; with it, pods of the policy's own namespace.
          (rule.from === undefined ||
            (source !== null && rule.from.some((it: Wire) => matches(it.podSelector.matchLabels, source)))),
      );
  }
}

function matches(selector: Labels, labels: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}

describe.each([
  ["a chain", buildChain(4), (name: string) => name.replace("service", "deployment")],
  ["a graph", parseTopology(SHOP, "shop.yaml"), (name: string) => name],
])("with --network-policy edges, in %s", (_title, topology, deploymentOf) => {
  const cluster = new Cluster(topology);
  const names = [...topology.services.keys()];

  test("a link accepts traffic only from the links that call it", () => {
    for (const { name: from, steps } of topology.services.values()) {
      const called = new Set(
        steps
          .flat()
          .filter(isCall)
          .map(({ service }) => service),
      );
      for (const to of names) {
        const expected = called.has(to) || to === topology.entry;
        expect([from, to, cluster.canReach(deploymentOf(from), to)]).toEqual([from, to, expected]);
      }
    }
  });

  test("the load generator and strangers reach only the entry", () => {
    for (const from of ["loadgenerator", STRANGER])
      expect(names.filter((to) => cluster.canReach(from, to))).toEqual([topology.entry]);
  });

  test("everybody reaches Zipkin", () => {
    for (const from of [...cluster.pods.keys(), STRANGER])
      expect(cluster.canReach(from, "zipkin-service")).toBe(true);
  });

  test("everybody reaches the load generator's ledger, and no other port", () => {
    expect(cluster.canReachPod(STRANGER, "loadgenerator", 8080)).toBe(true);
    for (const to of cluster.pods.keys()) expect(cluster.canReachPod(STRANGER, to, 22)).toBe(false);
    expect(cluster.canReachPod(STRANGER, "loadgenerator", 8000)).toBe(false);
  });
});

test("the canary reaches every link and Zipkin, and everybody reaches its metrics", () => {
  const topology = parseTopology(SHOP, "shop.yaml");
  const cluster = new Cluster(topology, true);
  const canary = "chain-link-canary";
  for (const name of topology.services.keys()) expect(cluster.canReach(canary, name)).toBe(true);
  expect(cluster.canReach(canary, "zipkin-service")).toBe(true);
  expect(cluster.canReachPod(STRANGER, canary, 8080)).toBe(true);
  expect(cluster.canReachPod(STRANGER, canary, 8000)).toBe(false);
});

test("a service called zipkin is not opened to everybody along with Zipkin", () => {
  const text =
    "{apiVersion: chain-link.dev/v1, kind: Topology, services: { a: { entry: true, calls: [zipkin] }, zipkin: {} }}";
  const cluster = new Cluster(parseTopology(text, "test"));
  expect(cluster.canReach("a", "zipkin")).toBe(true);
  expect(cluster.canReach("loadgenerator", "zipkin")).toBe(false);
});

test("without the flag there are no policies", () => {
  const objects = buildObjects(buildChain(2), { namespace: "demo" });
  expect(objects.filter(({ kind }) => kind === "NetworkPolicy")).toEqual([]);
});
