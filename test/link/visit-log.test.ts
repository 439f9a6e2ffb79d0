import { afterEach, describe, expect, test } from "bun:test";
import { SpanId } from "../../src/link/span-id.ts";
import type { VisitAnswer } from "../../src/link/visit-answer.ts";
import { VisitLog } from "../../src/link/visit-log.ts";
import { newSpanId } from "../../src/trace/ids.ts";
import { formatLedger } from "../../src/trace/ledger.ts";
import { ledgerOf } from "../../src/verify/judge/digest.ts";
import { toSeenSpan } from "../../src/verify/judge/seen-span.ts";
import { graphOf, startChain, type TestChain } from "../helpers/chain.ts";
import { eventually } from "../helpers/cli.ts";

function words(high: number, low: number): SpanId {
  const id = new SpanId();
  id.take(high, low);
  return id;
}

const spans = (count: number) => ({ count, high: 0xffffffff, low: count });

describe("a log of visits", () => {
  const TRACE = words(7, 7);

  test("finds every visit below a span", () => {
    const log = new VisitLog(8);
    log.add(0, TRACE, words(1, 2), spans(3), 10);
    log.add(0, TRACE, words(1, 3), spans(4), 11);
    log.add(0, TRACE, words(1, 2), spans(5), 12);
    expect(log.find(0, [words(1, 2), words(9, 9)])).toEqual([
      { number: 0, traceAt: -1, parentAt: 0, spans: spans(3) },
      { number: 2, traceAt: -1, parentAt: 0, spans: spans(5) },
    ]);
    expect(log.coveredMs(20)).toBeNull();
  });

  test("finds every visit of a trace, whatever its parent", () => {
    const log = new VisitLog(8);
    log.add(0, TRACE, words(1, 2), spans(3), 10);
    log.add(0, words(7, 8), words(1, 3), spans(4), 11);
    log.add(0, TRACE, TRACE, spans(5), 12);
    expect(log.find(0, [words(1, 3), TRACE])).toEqual([
      { number: 0, traceAt: 1, parentAt: -1, spans: spans(3) },
      { number: 1, traceAt: -1, parentAt: 0, spans: spans(4) },
      { number: 2, traceAt: 1, parentAt: 1, spans: spans(5) },
    ]);
  });

  test("keeps the visits of each link of a process apart", () => {
    const log = new VisitLog(8);
    const links = [log.addLink(), log.addLink()];
    for (const link of links) log.add(link, TRACE, words(1, 2), spans(link), 10);
    expect(links.map((link) => log.find(link, [TRACE]).map(({ number }) => number))).toEqual([[0], [1]]);
  });

  test("evicts the oldest visits, and returns the time that it covers", () => {
    const log = new VisitLog(4);
    for (let visit = 0; visit < 6; visit++) log.add(0, TRACE, words(0, visit), spans(visit), 100 * visit);
    const found = log.find(0, [words(0, 1), words(0, 2), words(0, 5)]);
    expect(found.map(({ parentAt }) => parentAt)).toEqual([1, 2]);
    // The oldest visit in the log ended at 200.
    expect(log.coveredMs(1000)).toBe(800);
  });

  test("computes ages of times above 32 bits of milliseconds", () => {
    const log = new VisitLog(1);
    for (const endMs of [2 ** 32 - 50, 2 ** 32 - 10]) log.add(0, TRACE, words(0, 1), spans(1), endMs);
    expect(log.coveredMs(2 ** 32 + 30)).toBe(40);
  });
});

describe("GET /ledger of a link", () => {
  let chain: TestChain;
  afterEach(() => chain[Symbol.asyncDispose]());

  const ask = async (link: string, ids: readonly string[]) => {
    const response = await fetch(`${chain.link(link).url}/ledger?ids=${ids.join(",")}`);
    return { status: response.status, answer: (await response.json()) as VisitAnswer };
  };

  test("returns the ledger of each call as its callee recorded it", async () => {
    chain = startChain(graphOf({ a: { calls: ["b", ["c", "d"]] }, b: { calls: ["d"] }, c: {}, d: {} }));
    const trace = "463ac35c9f6413ad48485a3953bb6124";
    await fetch(chain.url, { headers: { traceparent: `00-${trace}-${newSpanId()}-01` } });
    const urls = new Map([...chain.links].map(([name, { url }]) => [name, url]));
    let visited = 0;
    const all = await eventually(() => (chain.backend.spans.length === 9 ? chain.backend.spans : undefined));
    for (const span of all) {
      if (span.kind !== "SERVER") continue;
      const service = span.localEndpoint?.serviceName ?? "";
      const response = await fetch(`${urls.get(service)}/ledger?ids=${span.parentId}`);
      const { visits, pending } = (await response.json()) as VisitAnswer;
      const mine = all.filter((it) => it === span || (it.kind === "CLIENT" && it.parentId === span.id));
      expect(visits).toMatchObject([
        { parent: span.parentId, ledger: formatLedger(ledgerOf(mine.map(toSeenSpan))) },
      ]);
      expect(pending).toEqual([]);
      visited++;
    }
    expect(visited).toBe(5);
  });

  test("lists visits in flight as pending, and leaves out unknown ids", async () => {
    chain = startChain(
      graphOf({ a: { behavior: { latency: { kind: "fixed", value: 2500, probability: 1 } } } }),
    );
    const gone = new AbortController();
    // All tests of one process share a log.
    const [parent, other] = [newSpanId(), newSpanId()];
    const traceparent = `00-463ac35c9f6413ad48485a3953bb6124-${parent}-01`;
    const request = fetch(chain.url, { headers: { traceparent }, signal: gone.signal });
    request.catch(() => {});
    while (chain.link("a").stats.inFlight === 0) await Bun.sleep(5);
    gone.abort();
    expect((await ask("a", [parent, other])).answer).toMatchObject({
      pending: [parent],
      visits: [],
    });
    while (chain.link("a").stats.inFlight > 0) await Bun.sleep(5);
    const { answer } = await ask("a", [parent]);
    expect(answer.pending).toEqual([]);
    expect(answer.visits).toHaveLength(1);
  });

  test("rejects a malformed list of ids with 400", async () => {
    chain = startChain(graphOf({ a: {} }));
    for (const ids of [["x"], ["00000000000000AB"], Array<string>(201).fill("00000000000000ab")])
      expect((await ask("a", ids)).status).toBe(400);
    expect((await ask("a", [])).status).toBe(200);
    expect((await fetch(`${chain.link("a").url}/ledger`, { method: "POST" })).status).toBe(405);
  });
});
