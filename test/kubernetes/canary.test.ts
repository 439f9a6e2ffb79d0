import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ObjectOptions } from "../../src/kubernetes/object.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { buildChain } from "../../src/topology/chain.ts";
import type { Topology } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { graphOf } from "../../src/verify/judge/call-graph.ts";

const SHOP = readFileSync(new URL("../fixtures/kubernetes/shop.yaml", import.meta.url), "utf8");

/** As the API would see it, free to be looked into. */
// biome-ignore lint/suspicious/noExplicitAny: a test reads fields of several kinds of objects
type Wire = any;

function objectsOf(topology: Topology, options: Partial<ObjectOptions> = {}): Map<string, Wire> {
  const objects = buildObjects(topology, { namespace: "demo", canary: true, ...options });
  return new Map(
    objects.map((object) => [
      `${object.kind}/${object.metadata.name}`,
      JSON.parse(JSON.stringify(object)) as Wire,
    ]),
  );
}

function templateOf(objects: Map<string, Wire>): Wire {
  return objects.get("Deployment/chain-link-canary").spec.template;
}

function argsOf(objects: Map<string, Wire>): string {
  return templateOf(objects).spec.containers[0].args.join(" ");
}

describe("the canary", () => {
  test("is created only on request, after everything else", () => {
    const without = buildObjects(buildChain(3), { namespace: "demo" });
    expect(without).toHaveLength(11);
    const keys = [...objectsOf(buildChain(3)).keys()];
    expect(keys.slice(11)).toEqual([
      "ConfigMap/chain-link-canary",
      "Service/chain-link-canary-links",
      "Deployment/chain-link-canary",
    ]);
  });

  test("requests the entry and reads the release's own backend of either kind", () => {
    const topology = buildChain(2);
    expect(argsOf(objectsOf(topology))).toStartWith(
      "verify --forever http://chain-link-service-0 --backend zipkin=http://zipkin-service ",
    );
    expect(argsOf(objectsOf(topology, { collector: "embedded" }))).toContain(
      "--backend collector=http://zipkin-service ",
    );
    const elsewhere = objectsOf(topology, { collector: { url: "http://zipkin.tracing" } });
    expect(argsOf(elsewhere)).toContain("--backend zipkin=http://zipkin.tracing ");
  });

  test("receives the graph of the topology", () => {
    for (const topology of [buildChain(4), parseTopology(SHOP, "shop.yaml")]) {
      const document = objectsOf(topology).get("ConfigMap/chain-link-canary").data["topology.json"];
      const [given, read] = [topology, parseTopology(document, "canary")].map((it) => {
        const { entry, services } = graphOf(it);
        const shapes = [...services.values()].map((service) => ({
          ...service,
          steps: service.steps.map((step) => step.map((call) => ({ ...call, repeats: null }))),
        }));
        return { entry, shapes };
      });
      expect(read).toEqual(given as NonNullable<typeof given>);
    }
  });

  test("restarts when the graph changes, and only then", () => {
    const annotations = (topology: Topology) => templateOf(objectsOf(topology)).metadata.annotations;
    const shop = parseTopology(SHOP, "shop.yaml");
    const scaled = parseTopology(SHOP.replace(/replicas: \d+/, "replicas: 9"), "shop.yaml");
    expect(annotations(scaled)).toEqual(annotations(shop));
    expect(annotations(buildChain(3))).not.toEqual(annotations(buildChain(4)));
    expect(annotations(buildChain(3))).toMatchObject({
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "8080",
    });
  });

  test("learns a graph that is too large for a ConfigMap", () => {
    const objects = objectsOf(buildChain(12_000));
    expect(objects.has("ConfigMap/chain-link-canary")).toBe(false);
    expect(argsOf(objects)).not.toContain("--graph");
    expect(templateOf(objects).spec.volumes).toBeUndefined();
  });

  test("finds the pods of every link, and no others, through the headless Service", () => {
    const objects = objectsOf(buildChain(2), { release: "blue" });
    const { spec } = objects.get("Service/chain-link-canary-links");
    expect(spec.clusterIP).toBe("None");
    const chosen = [...objects.values()]
      .map((object) => [
        object.metadata.name,
        object.spec?.template?.metadata.labels ?? object.metadata.labels ?? {},
      ])
      .filter(([name]) => objects.has(`Deployment/${name}`) || objects.has(`Pod/${name}`))
      .filter(([, labels]) => Object.entries(spec.selector).every(([key, value]) => labels[key] === value))
      .map(([name]) => name);
    expect(chosen).toEqual(["chain-link-deployment-0", "chain-link-deployment-1"]);
  });

  test("a service of the same name is rejected when there is a canary", () => {
    const text =
      "{apiVersion: chain-link.dev/v1, kind: Topology, services: {chain-link-canary: {entry: true}}}";
    const topology = parseTopology(text, "test");
    expect(() => objectsOf(topology)).toThrow("the name is taken");
    expect(() => buildObjects(topology, { namespace: "demo" })).not.toThrow();
  });
});
