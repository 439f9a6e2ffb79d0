/**
 * Reconciles a run with the embedded collector: VERIFY_REQUESTS requests (100,000) of 9 spans, a chain of 5. The spans are put into the store
 * beforehand; timed is everything that verify does: reading accounts, comparing, the tally. Asserts that exactly the spans that were left out
 * are found missing.
 */
import { startCollector } from "../src/collector/server.ts";
import { buildChain } from "../src/topology/chain.ts";
import { newSpanId } from "../src/trace/ids.ts";
import { newRunId, RunIds } from "../src/trace/run.ts";
import type { Span } from "../src/trace/span.ts";
import { graphOf } from "../src/verify/call-graph.ts";
import { ledgerOf } from "../src/verify/digest.ts";
import { reconcile } from "../src/verify/reconcile.ts";
import { RunBook } from "../src/verify/run-book.ts";
import { toSeenSpan } from "../src/verify/seen-span.ts";
import { ZipkinReader } from "../src/verify/zipkin-reader.ts";

const REQUESTS = Number(process.env.VERIFY_REQUESTS ?? 100_000);
const LINKS = 5;
const LEFT_OUT = 100;
const BATCH = 500;

const ids = new RunIds(newRunId());
const startMs = Date.now();
const book = new RunBook({ run: ids.runId, startMs, url: "http://localhost" });
const collector = startCollector({ host: "127.0.0.1", port: 0, maxSpans: REQUESTS * LINKS * 2 });
let left = 0;
for (let from = 0; from < REQUESTS; from += BATCH) {
  const batch: Span[] = [];
  for (let sequence = from; sequence < Math.min(REQUESTS, from + BATCH); sequence++) {
    const spans = makeTrace(ids.traceId(sequence));
    const ledger = ledgerOf(spans.map(toSeenSpan));
    book.add({ sequence, endMs: sequence, status: 200, ledger, isSampled: true, isBroken: false });
    if (sequence % Math.floor(REQUESTS / LEFT_OUT) === 0) {
      spans.pop();
      left++;
    }
    batch.push(...spans);
  }
  const body = JSON.stringify(batch);
  const answer = await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body });
  if (answer.status !== 202) throw new Error(`the collector answers ${answer.status}`);
}
const beganMs = performance.now();
const { tally } = await reconcile({
  book,
  reader: new ZipkinReader(collector.url, "collector"),
  graph: graphOf(buildChain(LINKS)),
  ended: Promise.resolve(),
  maxWaitMs: 0,
  queriesPerSecond: 1000,
  signal: new AbortController().signal,
});
const seconds = (performance.now() - beganMs) / 1000;
if (tally.missing !== left || tally.classes.complete !== REQUESTS - left) {
  throw new Error(
    `expected ${left} spans missing, found ${tally.missing} (${JSON.stringify(tally.classes)})`,
  );
}
const memory = Math.round(process.memoryUsage.rss() / 2 ** 20);
process.stdout.write(
  `${REQUESTS} requests of ${2 * LINKS - 1} spans reconciled in ${seconds.toFixed(1)} s; ${memory} MB with the collector in the same process\n`,
);
await collector.stop();

function makeTrace(traceId: string): Span[] {
  const spans: Span[] = [];
  let parentId: string | undefined;
  for (let hop = 0; hop < 2 * LINKS - 1; hop++) {
    const link = Math.floor((hop + 1) / 2);
    const isServer = hop % 2 === 0;
    const id = newSpanId();
    spans.push({
      traceId,
      id,
      ...(parentId === undefined ? {} : { parentId }),
      kind: isServer ? "SERVER" : "CLIENT",
      name: isServer ? "/forward" : "http get",
      timestamp: startMs * 1000 + hop,
      duration: 100,
      localEndpoint: { serviceName: `chain-link-service-${isServer ? link : link - 1}` },
      ...(isServer ? {} : { remoteEndpoint: { serviceName: `chain-link-service-${link}` } }),
      tags: { "http.status_code": "200", "http.request.method": "GET" },
    });
    parentId = id;
  }
  return spans;
}
