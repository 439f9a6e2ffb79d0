import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type RemotePage, startRemotePage } from "../../src/collector/remote-page.ts";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Listing } from "../../src/contract/listing.ts";
import type { Span } from "../../src/trace/span.ts";
import messaging from "../fixtures/traces/clock-skew-messaging.json";
import { makeChain, newTraceId } from "./spans.ts";

const LATE_US = 3_000_000;

describe("the list of traces", () => {
  let collector: Collector;
  /** The page over a backend that answers only Zipkin's queries. */
  let page: RemotePage;
  beforeAll(() => {
    collector = startCollector({ host: "127.0.0.1", port: 0 });
    const { url } = collector;
    const backend = { kind: "zipkin", hasLive: false, url, fetch: fetch as never } as const;
    page = startRemotePage({ host: "127.0.0.1", port: 0, backend, topology: null, about: "" });
  });
  afterAll(async () => {
    await page.stop();
    await collector.stop();
  });

  const report = async (spans: readonly Span[]) => {
    const response = await fetch(`${collector.url}/api/v2/spans`, {
      method: "POST",
      body: JSON.stringify(spans),
    });
    expect(response.status).toBe(202);
  };
  /** Asks the collector itself, and the page over it. */
  const eachList = async (query: string, expectList: (listing: Listing) => void) => {
    for (const { url } of [collector, page]) {
      const response = await fetch(`${url}/page/traces?${query}`);
      expect(response.status).toBe(200);
      expectList((await response.json()) as Listing);
    }
  };

  test("the list shows and searches by the duration that the trace view shows", async () => {
    const shiftUs = (Date.now() - 5000) * 1000 - 1_796_067_699_733_000;
    const traceId = newTraceId();
    const spans = (messaging as Span[]).map((span) => ({
      ...span,
      traceId,
      timestamp: (span.timestamp ?? 0) + shiftUs,
    }));
    await report(spans);
    const isThere = async (query: string, expected: boolean) =>
      await eachList(`limit=1000&serviceName=mail&${query}`, ({ traces }) => {
        expect(traces.map((trace) => trace.duration)).toEqual(expected ? [20_500] : []);
      });
    await isThere("", true);
    await isThere("minDuration=9000", true);
    await isThere("minDuration=9000&maxDuration=20500", true);
    await isThere("maxDuration=20500", true);
    await isThere("maxDuration=20499", false);
    await isThere("minDuration=9000&maxDuration=20499", false);
    // No single span takes longer than 9 ms, so a query to Zipkin for spans of 15 ms does not find the trace.
    const { traces } = await listOf(collector.url, "serviceName=mail&minDuration=15000&maxDuration=21000");
    expect(traces.map((trace) => trace.duration)).toEqual([20_500]);
    // The clock that is late makes it 3.02 s.
    await isThere(`minDuration=20501&maxDuration=${2 * LATE_US}`, false);
  });

  test("a search finds a trace that is longer after its clocks are corrected", async () => {
    const start = (Date.now() - 5000) * 1000;
    const traceId = newTraceId();
    const own = (serviceName: string) => ({ traceId, localEndpoint: { serviceName } });
    // `late` sends a message 1.5 ms after it answered, apparently while its client still waits.
    await report([
      { ...own("front"), id: "1", kind: "SERVER", timestamp: start, duration: 2000 },
      { ...own("front"), id: "2", parentId: "1", kind: "CLIENT", timestamp: start + 1000, duration: 900 },
      { ...own("late"), id: "3", parentId: "2", kind: "SERVER", timestamp: start + 10, duration: 500 },
      { ...own("late"), id: "4", parentId: "3", kind: "PRODUCER", timestamp: start + 1900, duration: 50 },
    ]);
    const { traces } = await listOf(collector.url, "serviceName=late&minDuration=3000");
    expect(traces.map((trace) => trace.duration)).toEqual([3140]);
  });

  test("the list omits a trace until its root has arrived", async () => {
    const traceId = newTraceId();
    const [root, ...rest] = makeChain(traceId, 3, Date.now() - 1000) as [Span, ...Span[]];
    await report(rest);
    const find = ({ traces }: Listing) => traces.find((trace) => trace.traceId === traceId);
    await eachList("limit=1000", (listing) => expect(find(listing)).toBeUndefined());
    // Zipkin's own query behaves like Zipkin's.
    const found = (await (await fetch(`${collector.url}/api/v2/traces?limit=1000`)).json()) as Span[][];
    expect(found.some(([span]) => span?.traceId === traceId)).toBe(true);
    await report([root]);
    await eachList("limit=1000", (listing) => {
      expect(find(listing)).toMatchObject({ serviceName: "chain-link-service-0", spanCount: 5 });
      expect(find(listing)).not.toHaveProperty("isRootMissing");
    });
  });

  test("the list shows and marks a trace without a root after ten seconds, and hidden traces do not count toward the limit", async () => {
    const ages = [11_000, 1000, 0];
    const ids = ages.map(newTraceId);
    for (const [index, age] of ages.entries())
      await report(
        makeChain(ids[index] as string, 2, Date.now() - age)
          .slice(1)
          .map((span) => ({ ...span, localEndpoint: { serviceName: "rootless" } })),
      );
    const { traces } = await listOf(collector.url, "limit=1&serviceName=rootless");
    expect(traces).toMatchObject([{ traceId: ids[0], isRootMissing: true, serviceName: "rootless" }]);
  });

  async function listOf(url: string, query: string): Promise<Listing> {
    return (await (await fetch(`${url}/page/traces?${query}`)).json()) as Listing;
  }
});
