import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import type { Topology } from "../../../src/topology/model.ts";
import { newSpanId, newTraceId } from "../../../src/trace/ids.ts";
import { graphOf, startChain, type TestChain } from "../../helpers/chain.ts";
import { type FaultProxy, startFaultProxy, startHeaderProxy } from "../../helpers/fault-proxy.ts";
import { hasNginx, type NginxOptions, startNginx } from "../../helpers/nginx.ts";
import { type VerifyRunOptions, verifyRun } from "../../helpers/verify-run.ts";

setDefaultTimeout(60_000);

const CHAIN = graphOf({ a: { calls: ["b"] }, b: { calls: ["c"] }, c: {} });
const REQUESTS = 60;
let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
});
afterAll(() => collector.stop());

interface Meshed {
  readonly chain: TestChain;
  readonly proxy: FaultProxy;
  /** Target of calls to b; set before the first request. */
  gatewayUrl: string | null;
  verify(options?: Partial<VerifyRunOptions>): ReturnType<typeof verifyRun>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts links whose spans pass a fault proxy, and whose calls to b pass a gateway. */
function startMeshed(topology: Topology = CHAIN): Meshed {
  const proxy = startFaultProxy(collector.url);
  const chain: TestChain = startChain(topology, {
    link: {
      target: { kind: "zipkin", url: proxy.url },
      resolve: (service) => (service === "b" ? it.gatewayUrl : null) ?? chain.link(service).url,
    },
  });
  const it: Meshed = {
    chain,
    proxy,
    gatewayUrl: null,
    verify: (options) =>
      verifyRun({
        url: chain.url,
        backend: { kind: "collector", url: collector.url },
        topology,
        requests: REQUESTS,
        perSecond: 100,
        links: new Map([...chain.links].map(([name, { url }]) => [name, url])),
        maxWaitMs: 1500,
        ...options,
      }),
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
  return it;
}

/** The parts of a result that the tests check. */
function summaryOf({
  outcome,
  traces,
  spans,
  brokenContexts,
  failedCalls,
}: Awaited<ReturnType<typeof verifyRun>>) {
  return {
    outcome,
    traces: Object.fromEntries(Object.entries(traces).filter(([, count]) => count > 0)),
    wrong: spans.missing + spans.unexpected + spans.altered,
    broken: brokenContexts,
    failed: Object.fromEntries(failedCalls.map(({ edge, reason, calls }) => [`${edge} ${reason}`, calls])),
  };
}

const isServerOf =
  (service: string) =>
  (span: { kind?: string | undefined; localEndpoint?: { serviceName?: string } | undefined }) =>
    span.kind === "SERVER" && span.localEndpoint?.serviceName === service;

for (const topology of [CHAIN, null]) {
  const how = topology === null ? "without" : "with";

  describe.skipIf(!hasNginx)(`behind a real nginx, ${how} a topology,`, () => {
    const CACHE: NginxOptions = { http: "proxy_cache_path {folder}/cache keys_zone=all:1m;" };
    const CACHED = "proxy_cache all; proxy_cache_valid 200 1m; proxy_cache_lock on;";

    test("answers from a cache are reported, and no span is missing", async () => {
      await using it = startMeshed();
      await using nginx = await startNginx(it.chain.link("b").url, CACHED, CACHE);
      it.gatewayUrl = nginx.url;
      const result = await it.verify({ topology });
      expect(summaryOf(result)).toMatchObject({ outcome: "complete", wrong: 0, broken: {} });
      expect(summaryOf(result).failed).toEqual({
        "a > b was answered with 200 from a cache before b": REQUESTS - 1,
      });
    });

    test("a lost span of a request that was answered from a cache is missing", async () => {
      await using it = startMeshed();
      await using nginx = await startNginx(it.chain.link("b").url, CACHED, CACHE);
      it.gatewayUrl = nginx.url;
      let dropped = 0;
      it.proxy.edit = (spans) =>
        spans.filter((span) => {
          const isDropped = isServerOf("a")(span) && span.traceId.endsWith("7");
          if (isDropped) dropped++;
          return !isDropped;
        });
      const result = await it.verify({ topology });
      expect(dropped).toBeGreaterThan(0);
      expect(result.spans.missing).toBe(dropped);
      expect(result.links).toEqual({ a: { server: dropped, client: 0, altered: 0, copies: 0 } });
    });

    test("mirrored requests leave a run complete", async () => {
      await using it = startMeshed();
      const b = it.chain.link("b").url;
      await using nginx = await startNginx(b, "mirror /mirror;", {
        server: `location = /mirror { internal; proxy_pass ${b}$request_uri; }`,
      });
      it.gatewayUrl = nginx.url;
      const result = await it.verify({ topology });
      expect(summaryOf(result)).toMatchObject({ outcome: "complete", wrong: 0, broken: {} });
      expect(result.spans).toMatchObject({ expected: REQUESTS * 8, missing: 0, unexpected: 0 });
    });

    test("mirrored requests whose spans are all lost are missing", async () => {
      const pair = graphOf({ a: { calls: ["b"] }, b: {} });
      await using it = startMeshed(pair);
      const b = it.chain.link("b").url;
      await using nginx = await startNginx(b, "mirror /mirror;", {
        server: `location = /mirror { internal; proxy_set_header Host mirrored; proxy_pass ${b}$request_uri; }`,
      });
      it.gatewayUrl = nginx.url;
      let dropped = 0;
      it.proxy.edit = (spans) =>
        spans.filter(({ tags }) => {
          const isDropped = tags?.["server.address"] === "mirrored";
          if (isDropped) dropped++;
          return !isDropped;
        });
      const result = await it.verify({ topology: topology === null ? null : pair });
      expect(dropped).toBe(REQUESTS);
      expect(summaryOf(result)).toMatchObject({ outcome: "incomplete", traces: { partial: REQUESTS } });
      expect(result.spans).toMatchObject({ missing: REQUESTS, unattributed: 0 });
      expect(result.links).toEqual({ b: { server: REQUESTS, client: 0, altered: 0, copies: 0 } });
    });

    test("requests that a rate limit rejects are reported, and no span is missing", async () => {
      await using it = startMeshed();
      const zone = {
        http: "limit_req_zone $binary_remote_addr zone=all:1m rate=20r/s; limit_req_status 429;",
      };
      await using nginx = await startNginx(it.chain.link("b").url, "limit_req zone=all;", zone);
      it.gatewayUrl = nginx.url;
      const result = await it.verify({ topology });
      expect(summaryOf(result)).toMatchObject({ outcome: "complete", wrong: 0, broken: {} });
      expect(result.failedCalls).toMatchObject([
        { edge: "a > b", reason: "was answered with 429 by something before b" },
      ]);
    });

    test("requests on a route that nginx does not know leave a run complete", async () => {
      await using it = startMeshed();
      await using nginx = await startNginx(
        it.chain.link("b").url,
        'if ($request_id ~ "^[0-3]") { return 404; }',
      );
      it.gatewayUrl = nginx.url;
      const result = await it.verify({ topology });
      expect(summaryOf(result)).toMatchObject({ outcome: "complete", wrong: 0, broken: {} });
    });
  });

  describe(`a gateway between two links, ${how} a topology,`, () => {
    async function behind(
      toRequest: (headers: Headers, request: number) => void,
      toAnswer: (headers: Headers) => void = () => {},
    ) {
      await using it = startMeshed();
      let requests = 0;
      await using gateway = startHeaderProxy(
        () => it.chain.link("b").url,
        (headers) => toRequest(headers, requests++),
        toAnswer,
      );
      it.gatewayUrl = gateway.url;
      return await it.verify({ topology });
    }

    for (const [what, newParent] of [
      ["another trace id", false],
      ["a trace of its own", true],
    ] as const) {
      test(`that puts ${what} on some requests breaks their context, and no span is missing`, async () => {
        const result = await behind((headers, request) => {
          if (request % 3 !== 0) return;
          const [, , parent] = (headers.get("traceparent") ?? "").split("-");
          headers.set("traceparent", `00-${newTraceId()}-${newParent ? newSpanId() : parent}-01`);
        });
        expect(summaryOf(result)).toMatchObject({
          outcome: "incomplete",
          wrong: 0,
          traces: { complete: 40, "broken-context": 20 },
          broken: { "a > b": 20 },
        });
      });
    }

    test("that strips the context from requests, and its headers from answers, breaks the context", async () => {
      const result = await behind(
        (headers) => headers.delete("traceparent"),
        (headers) => {
          for (const name of ["traceresponse", "chain-link-trace"]) headers.delete(name);
        },
      );
      expect(summaryOf(result)).toMatchObject({
        outcome: "incomplete",
        wrong: 0,
        traces: { "broken-context": REQUESTS },
        broken: { "a > b": REQUESTS },
      });
    });
  });
}
