import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import type { ObjectOptions } from "../../../src/kubernetes/object.ts";
import { buildObjects } from "../../../src/kubernetes/objects.ts";
import { readReleased } from "../../../src/kubernetes/release/released.ts";
import { buildChain } from "../../../src/topology/chain.ts";
import type { Topology } from "../../../src/topology/model.ts";
import { parseTopology } from "../../../src/topology/parse.ts";
import { graphOf } from "../../../src/verify/judge/call-graph.ts";

const SHOP = readFileSync(new URL("../../fixtures/kubernetes/shop.yaml", import.meta.url), "utf8");

/** A revision as it is read back from its Secret. */
function release(topology: Topology, options: Partial<ObjectOptions> = {}) {
  const objects = buildObjects(topology, { namespace: "demo", ...options });
  return {
    release: "shop",
    namespace: "demo",
    revision: 1,
    inputs: { topology: topology.name, links: topology.services.size, image: "i", sleepSeconds: 1 },
    objects: JSON.parse(JSON.stringify(objects)) as typeof objects,
  };
}

/** A graph without its functions, which are never equal. */
function shapeOf(topology: Topology) {
  const { entry, services } = graphOf(topology);
  return { entry, services: JSON.parse(JSON.stringify([...services.values()])) };
}

describe("the objects of a revision", () => {
  test.each([
    ["a chain", buildChain(5)],
    ["a chain of one", buildChain(1)],
    ["a graph", parseTopology(SHOP, "shop.yaml")],
    [
      "a chain with behavior",
      parseTopology(
        "{apiVersion: chain-link.dev/v1, kind: Topology, chain: 3, defaults: {retries: 2}}",
        "test",
      ),
    ],
  ])("contain the graph of %s", (_name, topology) => {
    expect(shapeOf(readReleased(release(topology)).topology)).toEqual(shapeOf(topology));
  });

  test("contain the image and the deployed backend", () => {
    const { image, backend } = readReleased(release(buildChain(2), { image: "example/link:7" }));
    expect(image).toBe("example/link:7");
    const service = { namespace: "demo", name: "zipkin-service", port: 80 };
    expect(backend).toMatchObject({ kind: "zipkin", service });
    expect(readReleased(release(buildChain(2), { collector: "embedded" })).backend).toMatchObject({
      kind: "collector",
      service,
    });
  });

  test.each([
    ["http://zipkin.tracing", { namespace: "tracing", name: "zipkin", port: 80 }],
    ["http://zipkin:9411", { namespace: "demo", name: "zipkin", port: 9411 }],
    ["http://zipkin.tracing.svc.cluster.local:9411", { namespace: "tracing", name: "zipkin", port: 9411 }],
    ["http://zipkin.tracing/api/v2/spans", { namespace: "tracing", name: "zipkin", port: 80 }],
    ["https://zipkin.tracing", null],
    ["http://zipkin.example.com", null],
    ["http://10.0.0.1:9411", null],
    ["http://zipkin.tracing/under/a/path", null],
  ])("contain the existing backend %s, with its Service if it is one in the cluster", (url, service) => {
    const { backend } = readReleased(release(buildChain(2), { collector: { url } }));
    expect(backend).toEqual({ kind: "zipkin", service, url });
  });

  test("are rejected if those of a topology are missing", () => {
    const { objects, ...rest } = release(buildChain(2));
    for (const kind of ["Deployment", "Pod"]) {
      const without = { ...rest, objects: objects.filter((object) => object.kind !== kind) };
      expect(() => readReleased(without)).toThrow("it was not made by this program");
    }
  });
});
