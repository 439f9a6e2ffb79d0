import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import type { LinkOptions } from "../../../src/link/link.ts";
import { REPORTER_DEFAULTS } from "../../../src/link/reporter.ts";
import type { Topology } from "../../../src/topology/model.ts";
import type { Span } from "../../../src/trace/span.ts";
import { graphOf, quickChain, startChain, type TestChain } from "../../helpers/chain.ts";
import { eventually } from "../../helpers/cli.ts";
import { type FaultProxy, startFaultProxy, startHeaderProxy } from "../../helpers/fault-proxy.ts";
import { type VerifyRunOptions, verifyRun } from "../../helpers/verify-run.ts";

// A test that times out also kills the backend process, so all tests after it would fail.
setDefaultTimeout(240_000);

/** Requests per test. Raise it for a longer proof: `VERIFY_REQUESTS=100000`. */
const REQUESTS = Number(process.env.VERIFY_REQUESTS ?? 300);
const FAULTS = 12;

/** A graph with fan-out, retries and 1 % error answers. */
const TREE = graphOf({
  front: { calls: ["catalog", ["reviews", "ads"], { service: "checkout", retries: 2 }] },
  catalog: { calls: ["store"] },
  reviews: { calls: [{ service: "store", retries: 1 }] },
  ads: { behavior: { errors: [{ kind: "status", status: 503, rate: 0.01, after: null }] } },
  checkout: { behavior: { errors: [{ kind: "status", status: 500, rate: 0.01, after: null }] } },
  store: { behavior: { errors: [{ kind: "status", status: 500, rate: 0.01, after: null }] } },
});

interface Place {
  readonly chain: TestChain;
  readonly proxy: FaultProxy;
  verify(options?: Partial<VerifyRunOptions>): ReturnType<typeof verifyRun>;
  [Symbol.asyncDispose](): Promise<void>;
}

export interface BackendUnderTest {
  readonly kind: "zipkin" | "collector";
  readonly url: string;
  stop(): Promise<void>;
}

/** A chain whose spans go through a fault proxy to a backend. */
function place(backend: BackendUnderTest, topology: Topology, link: Partial<LinkOptions> = {}): Place {
  const proxy = startFaultProxy(backend.url);
  const chain = startChain(topology, {
    link: { target: { kind: "zipkin", url: proxy.url }, randomOf: () => Math.random, ...link },
  });
  return {
    chain,
    proxy,
    verify: (options) =>
      verifyRun({
        url: chain.url,
        backend,
        topology,
        requests: REQUESTS,
        links: new Map([...chain.links].map(([name, { url }]) => [name, url])),
        ...options,
        onSent: async () => {
          await options?.onSent?.();
          // After an outage of 10 s a link retries within 10 s.
          await eventually(
            async () =>
              [...chain.links.values()].every(({ reporter }) => reporter.queued === 0) ? true : undefined,
            30_000,
          );
        },
      }),
    async [Symbol.asyncDispose]() {
      await chain[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
    },
  };
}

/** Chooses `wanted` of the spans that pass at random, but at most one of a trace with `isOncePerTrace`. */
function chooser(wanted: number, isOncePerTrace = false) {
  const chosen: Span[] = [];
  const traces = new Set<string>();
  return {
    chosen,
    isChosen(span: Span): boolean {
      const isTaken = isOncePerTrace && traces.has(span.traceId);
      if (chosen.length >= wanted || isTaken || Math.random() > 0.02) return false;
      chosen.push(span);
      traces.add(span.traceId);
      return true;
    },
  };
}

function countByLink(spans: readonly Span[]): Record<string, { server: number; client: number }> {
  const counts: Record<string, { server: number; client: number }> = {};
  for (const { kind, localEndpoint } of spans) {
    const name = localEndpoint?.serviceName ?? "";
    const count = counts[name] ?? { server: 0, client: 0 };
    counts[name] = count;
    count[kind === "SERVER" ? "server" : "client"]++;
  }
  return counts;
}

function onlyLosses(links: Readonly<Record<string, { server: number; client: number }>>) {
  return Object.fromEntries(
    Object.entries(links).map(([name, { server, client }]) => [name, { server, client }]),
  );
}

/** Proves that verify finds exactly the faults that spans suffer on their way to the backend that `start` returns. */
export function proveOn(name: string, start: () => Promise<BackendUnderTest>): void {
  describe(`with ${name},`, () => {
    let backend: BackendUnderTest;
    beforeAll(async () => {
      backend = await start();
    }, 240_000);
    afterAll(async () => backend?.stop());

    test("a run without faults is complete, with or without a topology", async () => {
      for (const topology of [TREE, null]) {
        await using it = place(backend, TREE);
        const result = await it.verify({ topology });
        expect(result).toMatchObject({ outcome: "complete", spans: { missing: 0, unattributed: 0 } });
        expect(result.traces.complete).toBe(REQUESTS);
      }
    });

    test("randomly dropped spans are missing by link and kind", async () => {
      await using it = place(backend, TREE);
      const { chosen, isChosen } = chooser(FAULTS);
      it.proxy.edit = (spans) => spans.filter((span) => !isChosen(span));
      const result = await it.verify();
      expect(result.outcome).toBe("incomplete");
      expect(result.spans).toMatchObject({ missing: chosen.length, unattributed: 0, altered: 0 });
      expect(onlyLosses(result.links)).toEqual(countByLink(chosen));
      const traces = new Set(chosen.map(({ traceId }) => traceId)).size;
      expect(result.traces.partial + result.traces["not-found"]).toBe(traces);
      expect(result.traces.complete).toBe(REQUESTS - traces);
    });

    test("dropped spans are missing even if as many others are duplicated", async () => {
      await using it = place(backend, TREE);
      const dropped = chooser(FAULTS);
      const doubled = chooser(FAULTS);
      it.proxy.edit = (spans) =>
        spans
          .filter((span) => !dropped.isChosen(span))
          .flatMap((span) => (doubled.isChosen(span) ? [span, span] : [span]));
      const result = await it.verify();
      // Zipkin merges equal copies and does not count them.
      const copies = backend.kind === "collector" ? doubled.chosen.length : 0;
      expect(result.spans).toMatchObject({ missing: dropped.chosen.length, altered: 0, copies });
      expect(onlyLosses(result.links)).toEqual(countByLink(dropped.chosen));
    });

    for (const field of ["parent", "service", "kind"] as const) {
      test(`exactly the spans with an altered ${field} are reported`, async () => {
        await using it = place(backend, TREE);
        const { chosen, isChosen } = chooser(FAULTS, true);
        const alter = (span: Span): Span => {
          if (field === "parent") return { ...span, parentId: "00000000000000ff" };
          if (field === "kind") return { ...span, kind: span.kind === "SERVER" ? "CLIENT" : "SERVER" };
          return { ...span, localEndpoint: { ...span.localEndpoint, serviceName: "somebody-else" } };
        };
        it.proxy.edit = (spans) => spans.map((span) => (isChosen(span) ? alter(span) : span));
        const result = await it.verify();
        const name = field === "parent" ? "wrong-parent" : "wrong-service";
        expect(result.traces).toMatchObject({
          [name]: chosen.length,
          complete: REQUESTS - chosen.length,
        });
        expect(result.spans).toMatchObject({ missing: 0, altered: chosen.length });
        const altered = Object.entries(result.links).map(([link, count]) => [link, count.altered]);
        const truth = Object.entries(countByLink(chosen)).map(([link, { server, client }]) => [
          link,
          server + client,
        ]);
        expect(Object.fromEntries(altered)).toEqual(Object.fromEntries(truth));
      });
    }

    test("a proxy that strips the context has broken it on its edge", async () => {
      const names = ["a", "b", "c"];
      let chain: TestChain | undefined;
      await using stripping = startHeaderProxy(
        () => chain?.link("b").url ?? "",
        (headers) => headers.delete("traceparent"),
      );
      await using it = place(backend, quickChain(...names), {
        resolve: (service) => (service === "b" ? stripping.url : chain?.link(service).url),
      });
      chain = it.chain;
      const result = await it.verify({ requests: 50 });
      expect(result.outcome).toBe("incomplete");
      expect(result.traces["broken-context"]).toBe(50);
      expect(result.brokenContexts).toEqual({ "a > b": 50 });
      expect(result.spans.missing).toBe(0);
    });

    test("a link that ignores a negative sampling decision is named", async () => {
      let chain: TestChain | undefined;
      await using flipping = startHeaderProxy(
        () => chain?.link("b").url ?? "",
        (headers) => headers.set("traceparent", (headers.get("traceparent") ?? "").replace(/-02$/, "-03")),
      );
      await using it = place(backend, quickChain("a", "b"), {
        resolve: (service) => (service === "b" ? flipping.url : chain?.link(service).url),
      });
      chain = it.chain;
      // Large enough that some requests are sampled: a run without any span ends as could-not-tell.
      const result = await it.verify({ sampleShare: 0.1 });
      expect(result.outcome).toBe("complete");
      expect(Object.keys(result.samplingIgnoredBy)).toEqual(["b"]);
      expect(result.spans.missing).toBe(0);
    });

    test("trace ids that are cut to 64 bits on their way lose nothing, and verify says that they are cut", async () => {
      await using it = place(backend, TREE);
      const { chosen, isChosen } = chooser(FAULTS);
      it.proxy.edit = (spans) =>
        spans
          .filter((span) => !isChosen(span))
          .map((span) => ({ ...span, traceId: span.traceId.slice(-16) }));
      const result = await it.verify();
      expect(result.notes).toEqual([expect.stringContaining("trace IDs were cut to 64 bits")]);
      expect(result.spans).toMatchObject({ missing: chosen.length, unexpected: 0, altered: 0 });
      expect(onlyLosses(result.links)).toEqual(countByLink(chosen));
    });

    test("clocks that differ by minutes between hosts do not change the result", async () => {
      for (const topology of [TREE, null]) {
        await using it = place(backend, TREE);
        const { chosen, isChosen } = chooser(FAULTS);
        const minutes = new Map([...TREE.services.keys()].map((name, index) => [name, index * 3 - 7]));
        it.proxy.edit = (spans) =>
          spans
            .filter((span) => !isChosen(span))
            .map((span) => {
              const offset = (minutes.get(span.localEndpoint?.serviceName ?? "") ?? 0) * 60e6;
              return { ...span, timestamp: (span.timestamp ?? 0) + offset };
            });
        const result = await it.verify({ topology });
        const traces = new Set(chosen.map(({ traceId }) => traceId)).size;
        expect(result.spans).toMatchObject({ missing: chosen.length, altered: 0, unexpected: 0 });
        expect(result.traces.complete).toBe(REQUESTS - traces);
        if (topology !== null) expect(onlyLosses(result.links)).toEqual(countByLink(chosen));
      }
    });

    test("unsampled requests do not count as lost", async () => {
      await using it = place(backend, TREE);
      // Large enough that some requests are sampled: a run without any span ends as could-not-tell.
      const result = await it.verify({ sampleShare: 0.1 });
      expect(result).toMatchObject({ outcome: "complete", samplingIgnoredBy: {}, spans: { missing: 0 } });
      expect(result.traces["not-sampled"]).toBeGreaterThan(REQUESTS / 2);
    });

    test("batches that a proxy accepted and dropped were never received, in the number that it counted", async () => {
      await using it = place(backend, quickChain("a", "b", "c"));
      let batches = 0;
      it.proxy.edit = (spans) => (++batches % 3 === 0 ? null : spans);
      const result = await it.verify();
      expect(it.proxy.forgotten).toBeGreaterThan(0);
      expect(result.spans.missing).toBe(it.proxy.forgotten);
      expect(result.losses).toEqual([{ link: null, reason: "never_received", spans: it.proxy.forgotten }]);
    });

    test.concurrent("an outage of the backend for 10 seconds loses no span", async () => {
      await using it = place(backend, quickChain("a", "b"), {
        reporter: { ...REPORTER_DEFAULTS, delayMs: 10, backoffMs: 50 },
      });
      it.proxy.isDown = true;
      setTimeout(() => {
        it.proxy.isDown = false;
      }, 10_000);
      const result = await it.verify({ requests: 100, maxWaitMs: 60_000 });
      expect(result).toMatchObject({ outcome: "complete", traces: { complete: 100 } });
    }, 60_000);

    test.concurrent("spans that are 20 seconds late do not count as lost within the maximum wait", async () => {
      await using it = place(backend, quickChain("a", "b"));
      it.proxy.delayMs = 20_000;
      const result = await it.verify({ requests: 50, maxWaitMs: 60_000 });
      expect(result).toMatchObject({ outcome: "complete", traces: { complete: 50 } });
      expect(result.exportLatencyMs?.p50).toBeGreaterThan(19_000);
    }, 60_000);

    test("spans dropped by a full queue are attributed to their link, in the numbers of its own counters", async () => {
      await using it = place(backend, quickChain("a", "b"), {
        reporter: { ...REPORTER_DEFAULTS, delayMs: 10, backoffMs: 50, queueSize: 40, batchSize: 20 },
      });
      it.proxy.isDown = true;
      const result = await it.verify({
        onSent: async () => {
          it.proxy.isDown = false;
        },
      });
      const dropped = Object.fromEntries(
        [...it.chain.links].map(([link, { reporter }]) => [link, reporter.dropped.queue_full]),
      );
      const said = result.losses.filter(({ reason }) => reason === "queue_full");
      expect(said.reduce((sum, { spans }) => sum + spans, 0)).toBe(result.spans.missing);
      expect(Object.fromEntries(said.map(({ link, spans }) => [link, spans]))).toEqual(dropped);
    });

    test("the spans of a link that disappeared are attributed to it and to no other link", async () => {
      await using it = place(backend, quickChain("a", "b", "c"));
      // As with a killed process: it answered requests, but its last spans were never sent.
      it.proxy.edit = (spans) => spans.filter(({ localEndpoint }) => localEndpoint?.serviceName !== "b");
      const links = new Map([...it.chain.links].map(([link, { url }]) => [link, url]));
      const metricsOfB = Bun.serve({ port: 0, fetch: () => fetch(`${links.get("b")}/metrics`) });
      const result = await it.verify({
        requests: 50,
        links: new Map([...links, ["b", `http://127.0.0.1:${metricsOfB.port}`]]),
        onSent: () => metricsOfB.stop(true),
      });
      expect(Object.keys(result.links)).toEqual(["b"]);
      expect(result.losses).toEqual([{ link: "b", reason: "link_gone", spans: 100 }]);
    });
  });
}
