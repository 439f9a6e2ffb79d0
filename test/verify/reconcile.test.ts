import { expect, test } from "bun:test";
import { startCollector } from "../../src/collector/server.ts";
import { buildChain } from "../../src/topology/chain.ts";
import { newSpanId } from "../../src/trace/ids.ts";
import { newRunId, RunIds } from "../../src/trace/run.ts";
import type { Span } from "../../src/trace/span.ts";
import { graphOf } from "../../src/verify/call-graph.ts";
import { ledgerOf } from "../../src/verify/digest.ts";
import { reconcile } from "../../src/verify/reconcile.ts";
import { RunBook } from "../../src/verify/run-book.ts";
import { toSeenSpan } from "../../src/verify/seen-span.ts";
import { ZipkinReader } from "../../src/verify/zipkin-reader.ts";

const REQUESTS = 2500;

async function setUp(edit: (span: Span, sequence: number) => Span[]) {
  const ids = new RunIds(newRunId());
  const book = new RunBook({ run: ids.runId, startMs: Date.now(), url: "http://localhost" });
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const stored: Span[] = [];
  // In any order, as requests end.
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
    const ledger = ledgerOf([toSeenSpan(span)]);
    book.add({ sequence, endMs: 0, status: 200, ledger, isSampled: true, isBroken: false });
    stored.push(...edit(span, sequence));
  }
  for (let from = 0; from < stored.length; from += 500) {
    const body = JSON.stringify(stored.slice(from, from + 500));
    await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body });
  }
  return { book, collector };
}

for (const kind of ["collector", "Zipkin"] as const) {
  test(`a long run is judged by ${kind === "collector" ? "the collector's accounts" : "its spans"}: losses and copies exactly`, async () => {
    const { book, collector } = await setUp((span, sequence) => {
      if (sequence % 500 === 3) return [];
      return sequence % 500 === 4 ? [span, span] : [span];
    });
    const { tally, queries } = await reconcile({
      book,
      reader: new ZipkinReader(collector.url, kind),
      graph: graphOf(buildChain(1)),
      ended: Promise.resolve(),
      maxWaitMs: 0,
      queriesPerSecond: 1000,
      signal: new AbortController().signal,
    });
    expect(tally.classes).toMatchObject({ complete: REQUESTS - 5, "not-found": 5 });
    expect(tally).toMatchObject({ missing: 5, unattributed: 0, expected: REQUESTS });
    expect(tally.links.get("chain-link-service-0")).toMatchObject({ server: 5, client: 0 });
    expect(tally.copies).toBe(kind === "collector" ? 5 : 0);
    // A comparison or two and the one batch of spans that differ, or all in batches.
    if (kind === "collector") expect(queries).toBeLessThan(8);
    await collector.stop();
  });
}
