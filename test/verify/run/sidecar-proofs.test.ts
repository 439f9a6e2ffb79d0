import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import { spansPerCall } from "../../../src/contract/platform.ts";
import type { TagSet } from "../../../src/link/tags.ts";
import { newSpanId } from "../../../src/trace/ids.ts";
import type { Span } from "../../../src/trace/span.ts";
import { quickChain, startChain, type TestChain } from "../../helpers/chain.ts";
import { hasEnvoy, startEnvoy } from "../../helpers/envoy.ts";
import { startFaultProxy, startHeaderProxy } from "../../helpers/fault-proxy.ts";
import { verifyRun } from "../../helpers/verify-run.ts";

setDefaultTimeout(120_000);

const TOPOLOGY = quickChain("a", "b", "c");
let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

interface SidecarOptions {
  readonly exportTo?: string;
  readonly tagSet?: TagSet;
  /** Tags of the spans that sidecars record. */
  readonly tags?: Readonly<Record<string, string>>;
}

/** A chain with a sidecar before each link that reports one span of each call under the link's own name. */
async function startMeshed({ exportTo = collector.url, tagSet = "default", tags }: SidecarOptions = {}) {
  const sent: Promise<unknown>[] = [];
  const sidecars = new Map<string, ReturnType<typeof startHeaderProxy>>();
  const chain: TestChain = startChain(TOPOLOGY, {
    link: {
      target: { kind: "zipkin", url: exportTo },
      tagSet,
      resolve: (service) => sidecars.get(service)?.url ?? "",
    },
  });
  for (const [name, link] of chain.links) {
    const toRequest = (headers: Headers) => {
      const [, traceId = "", parentId, flags] = (headers.get("traceparent") ?? "").split("-");
      const id = newSpanId();
      headers.set("traceparent", `00-${traceId}-${id}-${flags}`);
      const span = {
        ...{ traceId, id, parentId, kind: "SERVER", name: "in", timestamp: Date.now() * 1000, duration: 9 },
        ...{ localEndpoint: { serviceName: name }, tags },
      };
      sent.push(fetch(`${collector.url}/api/v2/spans`, { method: "POST", body: JSON.stringify([span]) }));
    };
    sidecars.set(
      name,
      startHeaderProxy(() => link.url, toRequest),
    );
  }
  return {
    chain,
    url: sidecars.get("a")?.url ?? "",
    async [Symbol.asyncDispose]() {
      await Promise.all(sent);
      await Promise.all([...sidecars.values()].map((it) => it[Symbol.asyncDispose]()));
      await chain[Symbol.asyncDispose]();
    },
  };
}

function prove(url: string, topology: typeof TOPOLOGY | null, maxWaitMs = 60_000) {
  const backend = { kind: "collector", url: collector.url } as const;
  return verifyRun({ url, backend, topology, requests: 60, perSecond: 100, maxWaitMs });
}

const MARKS: Readonly<Record<string, SidecarOptions>> = {
  "without tags": {},
  "under a scope of its own": {
    tags: { "otel.scope.name": "sidecar", "http.method": "GET", "http.url": "/" },
  },
  "as OpenTracing does": { tags: { component: "proxy", "http.method": "GET", "http.target": "/" } },
  "between links with the smallest tags": { tagSet: "minimal", tags: { component: "proxy" } },
  "between links with all tags": { tagSet: "full", tags: { "otel.scope.name": "nginx" } },
};

describe("a sidecar before each link that reports under the link's own name", () => {
  for (const [mark, options] of Object.entries(MARKS)) {
    for (const topology of [TOPOLOGY, null]) {
      test(`${mark} leaves a run complete, ${topology === null ? "without" : "with"} a topology`, async () => {
        await using mesh = await startMeshed(options);
        const result = await prove(mesh.url, topology);
        expect(result).toMatchObject({ outcome: "complete", traces: { complete: 60 }, losses: [] });
        expect(result.spans).toMatchObject({ expected: 300, missing: 0, unexpected: 0, foreign: 180 });
        const rows = result.platform?.rows.map(
          (row) => `${row.service}: ${spansPerCall(row)} span on ${row.edge}`,
        );
        expect(rows).toEqual(["a: 1 span on > a", "b: 1 span on a > b", "c: 1 span on b > c"]);
      });
    }
  }

  test("does not hide lost spans of the link", async () => {
    await using losing = startFaultProxy(collector.url);
    losing.edit = (spans) => spans.filter((it) => !isServerOf(it, "c"));
    await using mesh = await startMeshed({ exportTo: losing.url });
    const result = await prove(mesh.url, TOPOLOGY, 1000);
    expect(result).toMatchObject({ outcome: "incomplete", traces: { partial: 60 } });
    expect(result.links).toEqual({ c: { server: 60, client: 0, altered: 0, copies: 0 } });
  });

  test("is not assumed if a backend drops the tags of links: their spans are not foreign", async () => {
    await using stripping = startFaultProxy(collector.url);
    stripping.edit = (spans) => spans.map(({ tags: _, ...span }) => span);
    await using chain = startChain(TOPOLOGY, { link: { target: { kind: "zipkin", url: stripping.url } } });
    for (const topology of [TOPOLOGY, null]) {
      const whole = await prove(chain.url, topology);
      expect(whole).toMatchObject({ outcome: "complete", spans: { foreign: 0 } });
    }
    stripping.edit = (spans) =>
      spans.filter((it) => !isServerOf(it, "c")).map(({ tags: _, ...span }) => span);
    const lossy = await prove(chain.url, TOPOLOGY, 1000);
    expect(lossy).toMatchObject({ traces: { partial: 60 }, spans: { missing: 60, foreign: 0 } });
  });
});

function isServerOf({ kind, localEndpoint }: Span, service: string): boolean {
  return kind === "SERVER" && localEndpoint?.serviceName === service;
}

describe.skipIf(!hasEnvoy)("a real Envoy that reports under the name of its link", () => {
  test("has foreign spans, and the run is complete", async () => {
    const between = { url: "" };
    await using chain = startChain(TOPOLOGY, {
      link: {
        target: { kind: "zipkin", url: collector.url },
        resolve: (service) => (service === "b" ? between.url : chain.link(service).url),
      },
    });
    await using envoy = await startEnvoy(chain.link("b").url, {
      tracer: "opentelemetry",
      collectorUrl: collector.url,
      serviceName: "b",
    });
    between.url = envoy.url;
    const result = await prove(chain.url, TOPOLOGY);
    expect(result).toMatchObject({ outcome: "complete", traces: { complete: 60 }, spans: { foreign: 60 } });
  });
});
