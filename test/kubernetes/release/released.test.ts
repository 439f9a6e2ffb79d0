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

/** As a revision's Secret gives it back. */
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

describe("what a revision's objects say of what runs", () => {
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
  ])("its graph, of %s", (_name, topology) => {
    expect(shapeOf(readReleased(release(topology)).topology)).toEqual(shapeOf(topology));
  });

  test("its image and its own backend", () => {
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
  ])("a backend of others, %s, is reached where it is a Service", (url, service) => {
    const { backend } = readReleased(release(buildChain(2), { collector: { url } }));
    expect(backend).toEqual({ kind: "zipkin", service, url });
  });

  test("objects that are none of a topology are refused", () => {
    const { objects, ...rest } = release(buildChain(2));
    for (const kind of ["Deployment", "Pod"]) {
      const without = { ...rest, objects: objects.filter((object) => object.kind !== kind) };
      expect(() => readReleased(without)).toThrow("it was not made by this program");
    }
  });
});
