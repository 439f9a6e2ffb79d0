import { expect, test } from "bun:test";
import { startCollector } from "../../../src/collector/server.ts";
import { buildChain } from "../../../src/topology/chain.ts";
import { newSpanId } from "../../../src/trace/ids.ts";
import { newRunId, RunIds } from "../../../src/trace/run.ts";
import type { Span } from "../../../src/trace/span.ts";
import type { TraceReader } from "../../../src/verify/backend/trace-reader.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { graphOf } from "../../../src/verify/judge/call-graph.ts";
import { ledgerOf } from "../../../src/verify/judge/digest.ts";
import { toSeenSpan } from "../../../src/verify/judge/seen-span.ts";
import { reconcile } from "../../../src/verify/run/reconcile.ts";
import { RunLedger } from "../../../src/verify/run/run-ledger.ts";
import { eventually } from "../../helpers/cli.ts";

const REQUESTS = 2500;

async function setUp(edit: (span: Span, sequence: number) => Span[]) {
  const ids = new RunIds(newRunId());
  const ledger = new RunLedger({ run: ids.runId, startMs: Date.now(), url: "http://localhost" });
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const stored: Span[] = [];
  // In another order than they were sent, as requests end.
  for (const sequence of Array.from({ length: REQUESTS }, (_, i) => (i * 7) % REQUESTS)) {
    const span: Span = {
      traceId: ids.traceId(sequence),
      id: newSpanId(),
      kind: "SERVER",
      name: "/",
      timestamp: Date.now() * 1000,
      duration: 10,
      localEndpoint: { serviceName: "chain-link-service-0" },
      tags: { "http.status_code": "200" },
    };
    const record = { sequence, endMs: 0, status: 200, ledger: ledgerOf([toSeenSpan(span)]) };
    ledger.add({ ...record, isSampled: true, isBroken: false });
    stored.push(...edit(span, sequence));
  }
  const late: Span = { ...(stored[0] as Span), traceId: ids.traceId(REQUESTS), id: newSpanId() };
  for (let from = 0; from < stored.length; from += 500) {
    const body = JSON.stringify(stored.slice(from, from + 500));
    await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body });
  }
  return { ledger, collector, late };
}

for (const kind of ["collector", "Zipkin"] as const) {
  test(`${kind === "collector" ? "comparing ledgers with the collector" : "reading spans from Zipkin"} finds the exact losses and copies of a long run`, async () => {
    const { ledger, collector } = await setUp((span, sequence) => {
      if (sequence % 500 === 3) return [];
      return sequence % 500 === 4 ? [span, span] : [span];
    });
    const { tally, queries } = await reconcile({
      ledger,
      reader: new ZipkinReader(collector.url, kind),
      graph: graphOf(buildChain(1)),
      ended: Promise.resolve(),
      maxWaitMs: 0,
      queriesPerSecond: 1000,
      signal: new AbortController().signal,
    });
    const duplicated = kind === "collector" ? 5 : 0;
    const complete = REQUESTS - 5 - duplicated;
    expect(tally.classes).toMatchObject({ complete, duplicated, "not-found": 5 });
    expect(tally).toMatchObject({ missing: 5, unattributed: 0, expected: REQUESTS });
    expect(tally.links.get("chain-link-service-0")).toMatchObject({ server: 5, client: 0 });
    expect(tally.copies).toBe(duplicated);
    // One or two comparisons, one batch of the spans that differ, and one query for each lost trace.
    if (kind === "collector") expect(queries).toBeLessThan(13);
    await collector.stop();
  });
}

test("without a topology, complete traces are read to learn the graph that attributes missing spans", async () => {
  const { ledger, collector } = await setUp((span, sequence) => (sequence % 500 === 3 ? [] : [span]));
  const { tally } = await reconcile({ ...plainOptions(collector.url), ledger });
  expect(tally).toMatchObject({ missing: 5, unattributed: 0 });
  expect(tally.links.get("chain-link-service-0")).toMatchObject({ server: 5 });
  await collector.stop();
});

test("traces of a run that are missing in its ledger are unexpected, in the middle and after its end", async () => {
  const { ledger, collector } = await setUp((span) => [span]);
  // A load that was killed leaves such a ledger.
  const cut = new RunLedger(ledger.header);
  for (let index = 0; index < ledger.size; index++) {
    const record = ledger.record(index);
    if (record.sequence !== 700 && record.sequence < REQUESTS - 300) cut.add(record);
  }
  const { tally } = await reconcile({ ...plainOptions(collector.url), ledger: cut, isWholeRun: () => true });
  expect(tally.classes).toMatchObject({ complete: REQUESTS - 301, unexpected: 301 });
  expect(tally).toMatchObject({ requests: REQUESTS - 301, unexpected: 301, missing: 0 });
  // While a load is running, its ledger always lacks some requests.
  const still = await reconcile({ ...plainOptions(collector.url), ledger: cut });
  expect(still.tally.classes).toMatchObject({ complete: REQUESTS - 301, unexpected: 0 });
  await collector.stop();
});

function plainOptions(url: string) {
  return {
    reader: new ZipkinReader(url, "collector"),
    graph: null,
    ended: Promise.resolve(),
    maxWaitMs: 0,
    queriesPerSecond: 1000,
    signal: new AbortController().signal,
  };
}

/** A run that lasts until `end` is called; `until` resolves once this number of traces is settled. */
function begin(ledger: RunLedger, reader: TraceReader, maxWaitMs: number) {
  const { promise: ended, resolve: end } = Promise.withResolvers<void>();
  let settled = 0;
  const run = reconcile({
    ledger,
    reader,
    graph: graphOf(buildChain(1)),
    ended,
    maxWaitMs,
    queriesPerSecond: 1000,
    signal: new AbortController().signal,
    onProgress: (progress) => {
      settled = progress.settled;
    },
  });
  const until = (count: number) => eventually(() => (settled >= count ? true : undefined));
  return { run, end, until };
}

/** Adds another request, which ends now. */
function oneMore(ledger: RunLedger, spans: readonly Span[]): number {
  const now = Date.now();
  const endMs = now - ledger.header.startMs;
  const record = { sequence: REQUESTS, endMs, status: 200, ledger: ledgerOf(spans.map(toSeenSpan)) };
  ledger.add({ ...record, isSampled: true, isBroken: false });
  return now;
}

function post(url: string, spans: readonly Span[]): Promise<Response> {
  return fetch(`${url}/api/v2/spans`, { method: "POST", body: JSON.stringify(spans) });
}

test("spans that arrive long after --max-wait are found while requests are still sent", async () => {
  const { ledger, collector, late } = await setUp((span) => [span]);
  const { run, end, until } = begin(ledger, new ZipkinReader(collector.url, "Zipkin"), 50);
  oneMore(ledger, [late]);
  await until(REQUESTS);
  await Bun.sleep(500);
  await post(collector.url, [late]);
  await until(REQUESTS + 1);
  end();
  expect((await run).tally.classes).toMatchObject({ complete: REQUESTS + 1, "not-found": 0 });
  await collector.stop();
});

/** A backend that evicts one trace after it was read `keptFor` times. */
class Forgetful extends ZipkinReader {
  looks = 0;

  constructor(
    url: string,
    readonly traceId: string,
    readonly keptFor: number,
  ) {
    super(url, "Zipkin");
  }

  override async read(ids: readonly string[], signal: AbortSignal) {
    const traces = await super.read(ids, signal);
    if (ids.includes(this.traceId) && ++this.looks > this.keptFor) traces.delete(this.traceId);
    return traces;
  }
}

test("spans that were read before the backend evicted them are not missing", async () => {
  const { ledger, collector, late } = await setUp((span) => [span]);
  const lost = { ...late, id: newSpanId(), parentId: late.id, kind: "CLIENT" as const };
  const reader = new Forgetful(collector.url, late.traceId, 3);
  const { run, end } = begin(ledger, reader, 50);
  oneMore(ledger, [late, lost]);
  await post(collector.url, [late]);
  await eventually(() => (reader.looks > 3 ? true : undefined));
  end();
  expect((await run).tally).toMatchObject({ missing: 1, expected: REQUESTS + 2 });
  await collector.stop();
});

test("spans that were read while others were awaited are not missing if the backend evicts them", async () => {
  const { ledger, collector, late } = await setUp((span) => [span]);
  const lost = { ...late, id: newSpanId(), parentId: late.id, kind: "CLIENT" as const };
  const reader = new Forgetful(collector.url, late.traceId, 1);
  oneMore(ledger, [late, lost]);
  await post(collector.url, [late]);
  const options = { ...plainOptions(collector.url), graph: graphOf(buildChain(1)), maxWaitMs: 1000 };
  const { tally } = await reconcile({ ...options, ledger, reader });
  expect(reader.looks).toBeGreaterThan(1);
  expect(tally).toMatchObject({ missing: 1, expected: REQUESTS + 2 });
  await collector.stop();
});

test("copies of spans of other requests are not counted", async () => {
  const { ledger, collector } = await setUp((span, sequence) => (sequence < 100 ? [span, span] : [span]));
  const late = new RunLedger(ledger.header);
  for (let index = 0; index < ledger.size; index++) {
    const record = ledger.record(index);
    if (record.sequence >= 90) late.add(record);
  }
  const { tally } = await reconcile({ ...plainOptions(collector.url), ledger: late });
  expect(tally.classes).toMatchObject({ complete: REQUESTS - 100, duplicated: 10 });
  expect(tally.copies).toBe(10);
  await collector.stop();
});

test("a trace that a backend leaves out of a long answer is read again by itself before it counts as lost", async () => {
  const { ledger, collector } = await setUp((span, sequence) => (sequence === 3 ? [] : [span]));
  class Capped extends ZipkinReader {
    override async read(ids: readonly string[], signal: AbortSignal) {
      return new Map([...(await super.read(ids, signal))].slice(0, 100));
    }
  }
  const options = { ...plainOptions(collector.url), graph: graphOf(buildChain(1)) };
  const reader = new Capped(collector.url, "Zipkin");
  const { tally } = await reconcile({ ...options, ledger, reader });
  expect(tally.classes).toMatchObject({ complete: REQUESTS - 1, "not-found": 1 });
  await collector.stop();
});

test("traces are found in a backend that stores only the low half of trace ids", async () => {
  const ids = new RunIds(newRunId());
  const traceId = ids.traceId(0);
  const span = {
    traceId: traceId.slice(16),
    id: newSpanId(),
    kind: "SERVER",
    localEndpoint: { serviceName: "a" },
  };
  const other = { ...span, traceId: newSpanId() };
  using server = Bun.serve({ port: 0, fetch: () => Response.json([[span], [other]]) });
  const reader = new ZipkinReader(server.url.origin, "Zipkin");
  const traces = await reader.read([traceId, ids.traceId(1)], new AbortController().signal);
  expect(traces.get(traceId)).toMatchObject([{ id: span.id }]);
  expect(traces.get(ids.traceId(1))).toBeUndefined();
});

test("a lost trace is read at growing intervals", async () => {
  const { ledger, collector, late } = await setUp((span) => [span]);
  const looks: number[] = [];
  class Watched extends ZipkinReader {
    override read(ids: readonly string[], signal: AbortSignal) {
      if (ids.includes(late.traceId)) looks.push(Date.now());
      return super.read(ids, signal);
    }
  }
  const { run, end } = begin(ledger, new Watched(collector.url, "Zipkin"), 0);
  const endedAt = oneMore(ledger, [late]);
  await eventually(() => (looks.length > 2 ? true : undefined));
  end();
  const [, before = 0, after = 0] = looks.map((at) => at - endedAt);
  // One millisecond of tolerance, because clocks are read in whole milliseconds.
  expect(after).toBeGreaterThanOrEqual(before * 2 - 1);
  expect((await run).tally.classes).toMatchObject({ "not-found": 1 });
  await collector.stop();
});
