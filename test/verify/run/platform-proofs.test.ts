import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import { describeOwnTraces } from "../../../src/contract/platform.ts";
import { newSpanId, newTraceId } from "../../../src/trace/ids.ts";
import { quickChain, startChain } from "../../helpers/chain.ts";
import { type EnvoyOptions, hasEnvoy, startEnvoy } from "../../helpers/envoy.ts";
import { type VerifyRunOptions, verifyRun } from "../../helpers/verify-run.ts";

setDefaultTimeout(120_000);

const TOPOLOGY = quickChain("a", "b", "c");
let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

/** Verifies a chain with an Envoy before one of its links. */
async function proveBehind(
  before: "a" | "b",
  envoy: EnvoyOptions,
  options: Partial<VerifyRunOptions> = {},
  others = 0,
) {
  const between = { url: "" };
  await using chain = startChain(TOPOLOGY, {
    link: {
      target: { kind: "zipkin", url: collector.url },
      resolve: (service) => (service === before ? between.url : chain.link(service).url),
    },
  });
  const target = chain.link(before).url;
  await using proxy = await startEnvoy(target, { collectorUrl: collector.url, ...envoy });
  between.url = proxy.url;
  return await verifyRun({
    url: before === "a" ? proxy.url : chain.url,
    backend: { kind: "collector", url: collector.url },
    topology: TOPOLOGY,
    requests: 60,
    perSecond: 60,
    maxWaitMs: 20_000,
    onSent: async () => {
      for (let count = 0; count < others; count++) {
        const headers = { traceparent: `00-${newTraceId()}-${newSpanId()}-01` };
        await (await fetch(`${proxy.url}/forward`, { headers })).text();
      }
    },
    ...options,
  });
}

describe.skipIf(!hasEnvoy)("a real Envoy between two links", () => {
  for (const topology of [TOPOLOGY, null]) {
    test(`with an OpenTelemetry tracer is reported with its spans on its edge, ${topology === null ? "without" : "with"} a topology`, async () => {
      const { outcome, platform } = await proveBehind(
        "b",
        { tracer: "opentelemetry", hasUpstreamSpan: true },
        { topology },
      );
      expect(outcome).toBe("complete");
      expect(platform).toMatchObject({ tracesRead: 60, ownTraces: [] });
      expect(platform?.rows).toEqual([
        {
          recorder: "envoy",
          service: "envoy",
          place: "edge",
          edge: "a > b",
          spans: 120,
          callsBySpans: { 2: 60 },
          requestShare: 1,
          timeCovered: expect.any(Number),
        },
      ]);
      const covered = platform?.rows[0]?.timeCovered ?? 0;
      expect(covered).toBeGreaterThan(0);
      expect(covered).toBeLessThanOrEqual(1);
    });
  }

  test("with a tracer that reads only B3 is reported to record traces of its own on its edge", async () => {
    const service = { serviceName: "envoy-b3" };
    const { outcome, platform } = await proveBehind("b", { tracer: "zipkin", ...service });
    expect(outcome).toBe("complete");
    expect(platform?.rows).toEqual([]);
    expect(platform?.ownTraces.map(describeOwnTraces)).toEqual([
      "envoy-b3 recorded 60 traces of its own on a > b: it does not read W3C context",
    ]);
  });

  test("is not blamed for traces of its own if other traffic also passed through it", async () => {
    const { platform } = await proveBehind("b", { tracer: "zipkin", serviceName: "envoy-shared" }, {}, 20);
    expect(platform?.ownTraces.filter(({ service }) => service === "envoy-shared")).toMatchObject([
      { traces: 80, edge: "a > b", calls: 60, isOfRun: false },
    ]);
  });

  test("without a tracer adds no rows to the result", async () => {
    const { outcome, platform } = await proveBehind("b", { tracer: "none" });
    expect(outcome).toBe("complete");
    expect(platform?.rows).toEqual([]);
  });
});

describe.skipIf(!hasEnvoy)("a real Envoy before the entry", () => {
  test("is reported with its spans at the entry, and the run is complete", async () => {
    const { outcome, platform } = await proveBehind(
      "a",
      { tracer: "opentelemetry", serviceName: "gateway" },
      { expect: ["gateway: 1 span at the entry in 100%", "gateway: no spans on every edge"] },
    );
    expect(outcome).toBe("complete");
    expect(platform?.rows).toMatchObject([
      { service: "gateway", place: "entry", edge: "> a", callsBySpans: { 1: 60 }, requestShare: 1 },
    ]);
    expect(platform?.expected.map((it) => it.outcome)).toEqual(["met", "met"]);
  });

  test("is reported to record traces of its own if it reads only B3", async () => {
    const { platform } = await proveBehind("a", { tracer: "zipkin", serviceName: "ingress-b3" });
    expect(platform?.ownTraces.filter(({ service }) => service === "ingress-b3")).toMatchObject([
      { traces: 60, edge: "> a", isOfRun: true },
    ]);
  });
});

describe.skipIf(!hasEnvoy)("an expectation of a platform", () => {
  test("is not met if an edge lacks spans, and the edge is named", async () => {
    const { outcome, platform } = await proveBehind(
      "b",
      { tracer: "opentelemetry" },
      { expect: ["envoy: 1 span on a > b", "envoy: 1 span on every edge"], maxWaitMs: 1500 },
    );
    expect(outcome).toBe("complete");
    expect(platform?.expected).toMatchObject([
      { outcome: "met" },
      { outcome: "not-met", found: "b > c: 0 spans in 100 %" },
    ]);
  });
});
