import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import type { Topology } from "../../../src/topology/model.ts";
import { newSpanId } from "../../../src/trace/ids.ts";
import type { Span } from "../../../src/trace/span.ts";
import { graphOf, startChain, type TestChain, type TestChainOptions } from "../../helpers/chain.ts";
import { type FaultProxy, startFaultProxy } from "../../helpers/fault-proxy.ts";
import { type VerifyRunOptions, verifyRun } from "../../helpers/verify-run.ts";

setDefaultTimeout(60_000);

const REQUESTS = 100;
let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

interface Place {
  readonly chain: TestChain;
  readonly proxy: FaultProxy;
  verify(options?: Partial<VerifyRunOptions>): ReturnType<typeof verifyRun>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A topology whose spans go through a fault proxy, and calls to `b` through a gateway; `before` tells what it does. */
function place(topology: Topology, before: Before | null = null): Place {
  const proxy = startFaultProxy(collector.url);
  let gateway: { readonly url: string; stop(): Promise<void> } | null = null;
  const link: TestChainOptions["link"] = {
    target: { kind: "zipkin", url: proxy.url },
    randomOf: () => Math.random,
    resolve: (service) => (service === "b" && gateway !== null ? gateway.url : chain.link(service).url),
  };
  const chain: TestChain = startChain(topology, { link });
  if (before !== null) gateway = startGateway(chain.link("b").url, before);
  const links = new Map([...chain.links].map(([name, { url }]) => [name, url]));
  return {
    chain,
    proxy,
    verify: (options) =>
      verifyRun({
        url: chain.url,
        backend: { kind: "collector", url: collector.url },
        topology,
        requests: REQUESTS,
        perSecond: 100,
        links,
        maxWaitMs: 4000,
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      await gateway?.stop();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** What a gateway between two links does with a request; `undefined` passes it on. */
type Before = (request: number) => Response | Partial<Disturbed> | undefined;

interface Disturbed {
  /** The request is sent twice, one after the other. */
  readonly isRepeated: boolean;
  /** Delay before the answer is passed on. */
  readonly delayMs: number;
  /** Delay before the request is passed on, whether or not its caller still waits. */
  readonly heldMs: number;
  /** The parent id that the callee receives. */
  readonly parentId: string;
}

function startGateway(target: string, before: Before) {
  let requests = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      const choice = before(requests++);
      if (choice instanceof Response) return choice;
      const { pathname, search } = new URL(request.url);
      const { delayMs = 0, heldMs = 0, parentId = null, isRepeated = false } = choice ?? {};
      const headers = new Headers(request.headers);
      const traceparent = headers.get("traceparent") ?? "";
      if (parentId !== null) headers.set("traceparent", `${traceparent.slice(0, 36)}${parentId}-01`);
      if (heldMs > 0) await Bun.sleep(heldMs);
      if (isRepeated) await (await fetch(target + pathname + search, { headers })).arrayBuffer();
      const response = await fetch(target + pathname + search, { headers });
      const body = await response.arrayBuffer();
      if (delayMs > 0) await Bun.sleep(delayMs);
      return new Response(body, { status: response.status, headers: response.headers });
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, stop: () => server.stop(true) };
}

/** `b` answers a third of its requests too late, after its own calls. */
const SLOW = graphOf({
  a: { calls: ["d", { service: "b", timeoutMs: 100, retries: 3 }] },
  b: { calls: ["c"], behavior: { latency: { kind: "fixed", value: 250, probability: 0.3 } } },
  c: { calls: ["d"] },
  d: {},
});
const CHAIN = graphOf({ a: { calls: ["b"] }, b: { calls: ["c"] }, c: {} });

describe("calls that time out and are retried", () => {
  test("leave a run complete, and are reported with their number", async () => {
    await using it = place(SLOW);
    const result = await it.verify();
    expect(result).toMatchObject({ outcome: "complete", spans: { missing: 0, unexpected: 0 } });
    expect(result.traces.unknown).toBe(0);
    const [call] = result.failedCalls;
    expect(call).toMatchObject({ edge: "a > b", reason: "timed out after 100 ms" });
    expect(call?.calls).toBeGreaterThan(5);
    expect(result.failedCalls).toHaveLength(1);
  });

  test("leave a run complete without a topology, too", async () => {
    await using it = place(SLOW);
    const result = await it.verify({ topology: null });
    expect(result).toMatchObject({ outcome: "complete", spans: { missing: 0 } });
  });

  test("hide no loss: each of their SERVER spans that is dropped is missing", async () => {
    await using it = place(SLOW);
    let dropped = 0;
    it.proxy.edit = (spans) =>
      spans.filter((span) => {
        // This includes visits whose answers were lost, which are in no answer's ledger.
        const isDropped = span.kind === "SERVER" && Number.parseInt(span.id.slice(-2), 16) < 13;
        if (isDropped) dropped++;
        return !isDropped;
      });
    const result = await it.verify();
    expect(dropped).toBeGreaterThan(10);
    expect(result.outcome).toBe("incomplete");
    expect(result.spans.missing).toBe(dropped);
    expect(result.traces.unknown).toBe(0);
  });

  test("are reported if only the answer was delayed in transit", async () => {
    await using it = place(
      graphOf({ a: { calls: [{ service: "b", timeoutMs: 100, retries: 2 }] }, b: { calls: ["c"] }, c: {} }),
      (request) => (request % 4 === 1 ? { delayMs: 250 } : undefined),
    );
    const result = await it.verify();
    expect(result).toMatchObject({ outcome: "complete", traces: { unknown: 0 } });
    expect(result.failedCalls[0]).toMatchObject({ edge: "a > b", reason: "timed out after 100 ms" });
  });
});

describe("lost spans that no other span of the trace refers to are missing:", () => {
  /** A call that succeeds beside one that times out. */
  const BESIDE = graphOf({
    a: { calls: ["b", { service: "d", timeoutMs: 100, retries: 2 }] },
    b: { calls: ["c"] },
    c: {},
    d: { calls: ["e"], behavior: { latency: { kind: "fixed", value: 250, probability: 0.4 } } },
    e: { calls: ["c"] },
  });
  const RETRIED = graphOf({ a: { calls: [{ service: "b", timeoutMs: 100, retries: 2 }] }, b: {} });

  /** Drops spans of half of the requests, and counts them. */
  function dropping(proxy: FaultProxy, isDropped: (span: Span) => boolean) {
    const dropped = { count: 0 };
    proxy.edit = (spans) =>
      spans.filter((span) => {
        const isGone = span.traceId.slice(-1) < "8" && isDropped(span);
        if (isGone) dropped.count++;
        return !isGone;
      });
    return dropped;
  }
  const serverOf = (service: string) => (span: Span) =>
    span.kind === "SERVER" && span.localEndpoint?.serviceName === service;

  test("those of both sides of a call whose callee's children arrived", async () => {
    await using it = place(BESIDE);
    const dropped = dropping(
      it.proxy,
      (span) => serverOf("b")(span) || (span.kind === "CLIENT" && span.remoteEndpoint?.serviceName === "b"),
    );
    const result = await it.verify();
    expect(result.traces).toMatchObject({ altered: 0, unknown: 0 });
    expect(result.spans).toMatchObject({ missing: dropped.count, unattributed: 0 });
    expect(result.edges).toEqual({ "a > b": dropped.count });
  });

  test("those of calls whose parent id a gateway changed", async () => {
    await using it = place(RETRIED, (request) => (request % 3 === 0 ? { parentId: newSpanId() } : undefined));
    it.chain.link("b").applyFault({ latencyMs: 150, errorRate: 0 });
    const dropped = dropping(it.proxy, serverOf("b"));
    const result = await it.verify();
    expect(dropped.count).toBeGreaterThan(20);
    expect(result.spans.missing).toBe(dropped.count);
    expect(Object.keys(result.edges)).toEqual(["a > b"]);
  });

  test("those of requests that a gateway passed on long after their caller had given up", async () => {
    await using it = place(RETRIED, (request) => (request % 3 === 0 ? { heldMs: 900 } : undefined));
    const dropped = dropping(it.proxy, serverOf("b"));
    const result = await it.verify();
    expect(dropped.count).toBeGreaterThan(20);
    expect(result.spans).toMatchObject({ missing: dropped.count, unattributed: 0 });
    expect(result.links).toMatchObject({ b: { server: dropped.count } });
  });
});

describe("a gateway that answers some requests of an edge itself", () => {
  for (const status of [200, 401, 404, 429, 503]) {
    test(`with ${status} leaves a run complete, and is reported`, async () => {
      await using it = place(CHAIN, (request) =>
        request % 10 === 3 ? new Response("by the gateway", { status }) : undefined,
      );
      const result = await it.verify();
      expect(result).toMatchObject({ outcome: "complete", brokenContexts: {}, spans: { missing: 0 } });
      expect(result.failedCalls).toEqual([
        { edge: "a > b", reason: `was answered with ${status} by something before b`, calls: 10, retried: 0 },
      ]);
    });
  }

  test("before the entry makes those requests unreached", async () => {
    await using it = place(CHAIN);
    const gateway = startGateway(it.chain.url, (request) =>
      request % 10 === 3 ? new Response("by the gateway", { status: 429 }) : undefined,
    );
    const result = await it.verify({ url: gateway.url });
    await gateway.stop();
    expect(result).toMatchObject({
      outcome: "complete",
      traces: { complete: 90, unreached: 10, unknown: 0 },
    });
    expect(result.samplingIgnoredBy).toEqual({});
  });
});

test("a gateway that sends some requests twice leaves a run complete", async () => {
  await using it = place(CHAIN, (request) => (request % 5 === 3 ? { isRepeated: true } : undefined));
  const result = await it.verify();
  expect(result).toMatchObject({ outcome: "complete", traces: { complete: REQUESTS } });
  // Twenty requests made three more spans than the others.
  expect(result.spans).toMatchObject({ expected: 560, missing: 0, unexpected: 0 });
});

test("a request that timed out in the load generator is proved by the ledgers that the links remember", async () => {
  await using it = place(SLOW);
  const result = await it.verify({ timeoutMs: 80 });
  expect(result.traces["not-found"] + result.traces.partial).toBe(0);
  expect(result.traces.complete).toBeGreaterThan(REQUESTS * 0.9);
});

test("the traces of calls that timed out are unknown if no link can be asked for its ledgers", async () => {
  await using it = place(SLOW);
  const result = await it.verify({ links: new Map() });
  expect(result.outcome).toBe("could-not-tell");
  expect(result.traces.unknown).toBeGreaterThan(5);
  expect(result.spans.missing).toBe(0);
});

test("a link whose tracing is off is said to record nothing, and does not ignore the sampling decision", async () => {
  await using untraced = startChain(graphOf({ b: {} }), { link: { isTracing: false } });
  await using traced = startChain(graphOf({ a: { calls: ["b"] }, b: {} }), {
    absent: ["b"],
    urls: { b: untraced.url },
    link: { target: { kind: "zipkin", url: collector.url } },
  });
  const result = await verifyRun({
    url: traced.url,
    backend: { kind: "collector", url: collector.url },
    topology: graphOf({ a: { calls: ["b"] }, b: {} }),
    requests: 10,
    links: new Map([
      ["a", traced.url],
      ["b", untraced.url],
    ]),
  });
  expect(result).toMatchObject({ outcome: "complete", samplingIgnoredBy: {} });
  expect(result.notes).toEqual([
    expect.stringContaining("b records no spans, because its OTEL_SDK_DISABLED"),
  ]);
});
