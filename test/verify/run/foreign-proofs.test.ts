import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import { newSpanId } from "../../../src/trace/ids.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { verifyPropagation } from "../../../src/verify/propagation/propagation-run.ts";
import { quickChain, startChain, type TestChain } from "../../helpers/chain.ts";
import { startHeaderProxy } from "../../helpers/fault-proxy.ts";
import { hasNginx, startNginx } from "../../helpers/nginx.ts";
import { verifyRun } from "../../helpers/verify-run.ts";

setDefaultTimeout(120_000);

const TOPOLOGY = quickChain("a", "b", "c");
let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

/** A chain in which calls to `b` go through a proxy. */
async function through<T>(
  open: (target: string) => Promise<{ readonly url: string } & AsyncDisposable>,
  use: (chain: TestChain) => Promise<T>,
): Promise<T> {
  let between = "";
  await using chain = startChain(TOPOLOGY, {
    link: {
      target: { kind: "zipkin", url: collector.url },
      resolve: (service) => (service === "b" ? between : chain.link(service).url),
    },
  });
  await using proxy = await open(chain.link("b").url);
  between = proxy.url;
  return await use(chain);
}

/** A faulty run always waits this long: it is longer than the spans take on a busy machine. */
const FAULTY = { maxWaitMs: 8000 };

function prove(chain: TestChain, topology: typeof TOPOLOGY | null, { maxWaitMs } = { maxWaitMs: 60_000 }) {
  const links = new Map([...chain.links].map(([name, { url }]) => [name, url]));
  const backend = { kind: "collector", url: collector.url } as const;
  return verifyRun({
    url: chain.url,
    backend,
    topology,
    requests: 100,
    perSecond: 50,
    links,
    maxWaitMs,
  });
}

describe("a gateway with spans of its own between two links", () => {
  /** A gateway whose SERVER span is a child of the call, and whose CLIENT span is the callee's parent. */
  async function openGateway(target: string, isReporting: boolean) {
    const sent: Promise<unknown>[] = [];
    const proxy = startHeaderProxy(
      () => target,
      (headers) => {
        const [, traceId = "", parentId = ""] = (headers.get("traceparent") ?? "").split("-");
        const own = {
          traceId,
          timestamp: Date.now() * 1000,
          duration: 9,
          localEndpoint: { serviceName: "gateway" },
        };
        const [server, client] = [newSpanId(), newSpanId()];
        headers.set("traceparent", `00-${traceId}-${client}-01`);
        const body = JSON.stringify([
          { ...own, id: server, parentId, kind: "SERVER", name: "in" },
          { ...own, id: client, parentId: server, kind: "CLIENT", name: "out" },
        ]);
        if (isReporting) sent.push(fetch(`${collector.url}/api/v2/spans`, { method: "POST", body }));
      },
    );
    return {
      url: proxy.url,
      async [Symbol.asyncDispose]() {
        await Promise.all(sent);
        await proxy[Symbol.asyncDispose]();
      },
    };
  }

  for (const topology of [TOPOLOGY, null]) {
    test(`leaves a run complete, and its spans are foreign, ${topology === null ? "without" : "with"} a topology`, async () => {
      const result = await through(
        (target) => openGateway(target, true),
        (chain) => prove(chain, topology),
      );
      expect(result).toMatchObject({ outcome: "complete", traces: { complete: 100 }, losses: [] });
      expect(result.spans).toMatchObject({ expected: 500, missing: 0, foreign: 200, altered: 0 });
    });
  }

  test("makes traces orphaned if its spans go to another backend, but no span is missing", async () => {
    const result = await through(
      (target) => openGateway(target, false),
      (chain) => prove(chain, TOPOLOGY, FAULTY),
    );
    expect(result).toMatchObject({ outcome: "incomplete", traces: { orphaned: 100 }, spans: { missing: 0 } });
  });
});

describe.skipIf(!hasNginx)("a real nginx between two links", () => {
  test("leaves a run complete as a plain proxy", async () => {
    const result = await through(startNginx, (chain) => prove(chain, TOPOLOGY));
    expect(result).toMatchObject({ outcome: "complete", traces: { complete: 100 }, spans: { foreign: 0 } });
  });

  test("that removes traceparent has broken the context on its edge", async () => {
    const result = await through(
      (target) => startNginx(target, 'proxy_set_header traceparent "";'),
      (chain) => prove(chain, TOPOLOGY, FAULTY),
    );
    expect(result).toMatchObject({ traces: { "broken-context": 100 }, brokenContexts: { "a > b": 100 } });
    expect(result.spans.missing).toBe(0);
  });

  test("is reported for the forms of context that it rejects, and for the tracestate that it strips", async () => {
    const result = await through(
      (target) => startNginx(target, 'proxy_set_header tracestate "";'),
      (chain) =>
        verifyPropagation({
          subject: null,
          url: chain.url,
          reader: new ZipkinReader(collector.url, "collector"),
          requestsPerForm: 1,
          timeoutMs: 30_000,
          maxWaitMs: 20_000,
          queriesPerSecond: 100,
          signal: new AbortController().signal,
        }),
    );
    const found = result.forms.flatMap(({ form, edges }) =>
      Object.entries(edges)
        .filter(([, { state }]) => state !== "kept" && state !== "unused")
        .map(([edge, { state, detail }]) => `${form}: ${edge} ${state}, ${detail}`),
    );
    expect(found).toEqual([
      "w3c full tracestate: a > b changed, tracestate is stripped",
      // nginx accepts header lines of at most 8 KiB.
      "w3c full baggage: a > b broken, the callee did not go on with the trace",
    ]);
  });
});

describe("a proxy that names the low half of the trace id as parent", () => {
  const open = async (target: string) =>
    startHeaderProxy(
      () => target,
      (headers) => {
        const [, traceId = ""] = (headers.get("traceparent") ?? "").split("-");
        headers.set("traceparent", `00-${traceId}-${traceId.slice(16)}-01`);
      },
    );

  for (const topology of [TOPOLOGY, null]) {
    test(`makes all traces wrong-parent on its edge, ${topology === null ? "without" : "with"} a topology`, async () => {
      const result = await through(open, (chain) => prove(chain, topology, FAULTY));
      expect(result).toMatchObject({
        outcome: "incomplete",
        traces: { "wrong-parent": 100 },
        spans: { missing: 0 },
        samplingIgnoredBy: {},
      });
      expect(Object.keys(result.links)).toEqual(["b"]);
      if (topology !== null) expect(result.brokenContexts).toEqual({ "a > b": 100 });
    });
  }
});

describe("a proxy that removes every header of W3C, in requests and answers", () => {
  const open = async (target: string) =>
    startHeaderProxy(
      () => target,
      (headers) => headers.delete("traceparent"),
      (headers) => headers.delete("traceresponse"),
    );

  for (const topology of [TOPOLOGY, null]) {
    test(`breaks the context on its edge, ${topology === null ? "without" : "with"} a topology`, async () => {
      const result = await through(open, (chain) => prove(chain, topology, FAULTY));
      expect(result).toMatchObject({
        outcome: "incomplete",
        traces: { "broken-context": 100 },
        brokenContexts: { "a > b": 100 },
        spans: { missing: 0 },
      });
    });
  }
});
