import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { startLoad } from "../../src/load/generator.ts";
import type { Topology } from "../../src/topology/model.ts";
import { newRunId, RunIds } from "../../src/trace/run.ts";
import { BackendWatch } from "../../src/verify/backend/backend-watch.ts";
import {
  type Counters,
  countRecorded,
  findUntraced,
  instancesOf,
  readCounters,
} from "../../src/verify/backend/counters.ts";
import { Inquiry } from "../../src/verify/backend/inquiry.ts";
import { ZipkinReader } from "../../src/verify/backend/zipkin-reader.ts";
import { graphOf } from "../../src/verify/judge/call-graph.ts";
import { parseExpectation } from "../../src/verify/judge/expectation.ts";
import { resultOf } from "../../src/verify/result/result.ts";
import { attributeLosses } from "../../src/verify/run/attribution.ts";
import { reconcile } from "../../src/verify/run/reconcile.ts";
import { RunLedger } from "../../src/verify/run/run-ledger.ts";
import { surveyPlatform } from "../../src/verify/run/survey.ts";

export interface VerifyRunOptions {
  readonly url: string;
  readonly backend: { readonly kind: "zipkin" | "collector"; readonly url: string };
  /** `null` if verify has to learn it. */
  readonly topology: Topology | null;
  readonly requests: number;
  /** @default 300 */
  readonly perSecond?: number;
  /** @default 1 */
  readonly sampleShare?: number;
  /** Timeout of a request. @default 30,000 */
  readonly timeoutMs?: number;
  /** @default 2000 */
  readonly maxWaitMs?: number;
  /** Spans that the platform is expected to record. @default none */
  readonly expect?: readonly string[];
  readonly links?: ReadonlyMap<string, string>;
  /** Maximum number of bad traces to list. @default 10 */
  readonly maxExamples?: number;
  /** Whether verify starts reading only after all requests were sent. @default false */
  readonly isSentFirst?: boolean;
  /** Called after the last answer. The wait begins when it resolves. */
  readonly onSent?: () => Promise<void>;
}

/** Sends requests, waits and reconciles, like `chain-link verify`. */
export async function verifyRun(options: VerifyRunOptions): Promise<VerifyResult> {
  const { url, backend, links = new Map(), perSecond = 300 } = options;
  const ids = new RunIds(newRunId());
  const ledger = new RunLedger({ run: ids.runId, startMs: Date.now(), url });
  const reader = new ZipkinReader(backend.url, backend.kind === "zipkin" ? "Zipkin" : "collector");
  const before = await readCounters(instancesOf(links), backend);
  const watch = new BackendWatch(backend, before.backend);
  const load = startLoad({
    url: `${url}/`,
    method: "GET",
    headers: [],
    body: null,
    pace: {
      kind: "open",
      rate: { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 },
      arrivals: "constant",
    },
    connections: 256,
    timeoutMs: options.timeoutMs ?? 30_000,
    warmUpMs: 0,
    durationMs: null,
    maxRequests: options.requests,
    ids,
    sampleShare: options.sampleShare ?? 1,
    randomOf: () => Math.random,
    onEnd: (record) => ledger.add(record),
  });
  const ended = load.done.then(() => options.onSent?.());
  if (options.isSentFirst) await ended;
  const last: { counters: Counters | null } = { counters: null };
  const reconciliation = await reconcile({
    ledger,
    reader,
    countRestarts: () => watch.countRestarts(),
    countRecorded: async () => countRecorded(before, await readCounters(instancesOf(links), backend)),
    beforeLast: async () => {
      last.counters = { ...(await readCounters(instancesOf(links), backend)), backend: await watch.read() };
    },
    inquiry: new Inquiry(async () => instancesOf(links)),
    graph: options.topology === null ? null : graphOf(options.topology),
    ended,
    maxWaitMs: options.maxWaitMs ?? 2000,
    queriesPerSecond: 200,
    ...(options.maxExamples === undefined ? {} : { maxExamples: options.maxExamples }),
    signal: new AbortController().signal,
  });
  watch.end();
  const known = reconciliation.graph?.services.keys();
  const platform = await surveyPlatform({
    ledger,
    reader,
    services: known === undefined ? null : new Set(known),
    endMs: reconciliation.tally.lastEndMs,
    expectations: (options.expect ?? []).map(parseExpectation),
    maxWaitMs: options.maxWaitMs ?? 2000,
    // The tests' Envoys send every 100 ms.
    quietMs: 1000,
    queriesPerSecond: 200,
    signal: new AbortController().signal,
    hurry: new AbortController().signal,
  });
  return resultOf(reconciliation, {
    subject: null,
    run: ids.runId,
    url,
    startedMs: ledger.header.startMs,
    backend: reader.name,
    hasCutIds: reader.hasCutIds,
    untraced: findUntraced(last.counters ?? before),
    allowed: { loss: 0, unknown: 0 },
    losses:
      last.counters === null
        ? []
        : attributeLosses(reconciliation.tally, before, last.counters, null, reconciliation.hasForgotten),
    platform,
    pageOf: (traceId) => reader.pageOf(traceId),
  });
}
