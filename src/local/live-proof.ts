import type { RunProof } from "../collector/proof.ts";
import type { ProofTotals, TraceProof } from "../contract/proof.ts";
import type { VerifyResult } from "../contract/verify-result.ts";
import { Histogram } from "../lib/histogram.ts";
import type { LedgerRecord, RunHeader } from "../trace/ledger-record.ts";
import { RunIds } from "../trace/run.ts";
import type { Span } from "../trace/span.ts";
import type { Counters } from "../verify/backend/counters.ts";
import type { CallGraph } from "../verify/judge/call-graph.ts";
import { ledgerOfSpan } from "../verify/judge/digest.ts";
import { judgeTrace, type Knowledge } from "../verify/judge/judge.ts";
import { toSeenSpan } from "../verify/judge/seen-span.ts";
import { Tally } from "../verify/judge/tally.ts";
import { causeOf } from "../verify/judge/unknown-cause.ts";
import { type Verdict, verdictOf } from "../verify/judge/verdict.ts";
import { describeFindings, resultOf } from "../verify/result/result.ts";
import { attributeLosses } from "../verify/run/attribution.ts";
import { COMPLETE, JUDGED, OPEN, RequestRing, WAITING } from "./request-ring.ts";

/** A span that has not arrived this long after the end of its request is missing, until it arrives. */
const PATIENCE_MS = 10_000;
/** Maximum time per second for judging traces, which takes far longer than proving them complete. */
const JUDGING_MS = 25;
/** Enough for 120 spans, or 0.1 s. In longer traces, altered spans are not identified, so that the links keep running smoothly. */
const MAX_REPAIRS = 23_000;
/** Maximum judged traces that may still become complete; of older ones only totals are kept. */
const MAX_JUDGED = 5000;
/** How much of the past the chart "When" shows. */
const KEPT_SECONDS = 900;

interface LiveProofOptions {
  readonly header: RunHeader;
  readonly backend: string;
  /** The current call graph: a link with a fault makes other calls. */
  readonly graph: () => CallGraph;
  /** The spans of a trace in the store. */
  readonly readTrace: (traceId: string) => readonly Span[] | undefined;
  readonly pageOf: (traceId: string) => string;
  /** The counters of links and backend since their start: they show where missing spans were lost. */
  readonly counters: () => Counters;
  /** Milliseconds since 1970. */
  readonly now?: () => number;
}

interface Judged {
  readonly endMs: number;
  readonly verdict: Verdict;
  /** Why it is `unknown`. */
  readonly cause: string | null;
}

/** The answer of `GET /api/verify` while a load runs. */
export interface LiveResult {
  readonly result: VerifyResult;
  readonly totals: ProofTotals;
}

/**
 * Compares the ledgers of a running load with the spans as they arrive: each span is added to the ledger of its request
 * (300 ns), and a request whose two ledgers are equal is complete. Only those that still differ after some seconds are read
 * from the store and judged as by `verify`; a span that arrives later reopens the case.
 */
export class LiveProof implements RunProof {
  readonly #options: LiveProofOptions;
  readonly #now: () => number;
  readonly #ids: RunIds;
  readonly #ring = new RequestRing();
  readonly #knowledge: Omit<Knowledge, "graph">;
  /** The totals of requests that are final. */
  readonly #settled = new Tally();
  readonly #latency = new Histogram();
  /** Requests judged to be wrong or unknown so far, by number, in the order in which they were judged. */
  readonly #judged = new Map<number, Judged>();
  /** Numbers of ended requests, oldest first; some of them may have become complete. */
  #waiting: number[] = [];
  #waitingCount = 0;
  readonly #finalCounts = { complete: 0, incomplete: 0, unknown: 0 };

  constructor(options: LiveProofOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#ids = new RunIds(options.header.run);
    this.#knowledge = {
      services: new Set(options.graph().services.keys()),
      foreign: new Set(),
      maxRepairs: MAX_REPAIRS,
    };
  }

  /** Notes that a request of the load has ended. */
  noteEnd(record: LedgerRecord): void {
    const place = this.#ring.take(record.sequence);
    if (place < 0) return;
    this.#ring.setRecord(place, record);
    const { ledger, isSampled, isBroken } = record;
    if (ledger === null || isBroken) this.#judge(place, record);
    else if (!isSampled && ledger.count === 0) {
      this.#settle(place, record, verdictOf({ expected: 0 }, "not-sampled"));
    } else if (this.#isProved(place, record)) this.#prove(place, record);
    else this.#wait(place, record.sequence);
  }

  record(spans: readonly Span[]): void {
    for (const span of spans) {
      const sequence = this.#ids.sequenceOf(span.traceId);
      const place = sequence === null || sequence >= 2 ** 32 ? -1 : this.#ring.take(sequence);
      if (sequence === null || place < 0) continue;
      const state = this.#ring.state(place);
      if (state === COMPLETE) continue;
      this.#ring.addSpan(place, ledgerOfSpan(toLedgerSpan(span)));
      if (state === OPEN) continue;
      const record = this.#ring.record(place);
      if (state === JUDGED && this.#judged.delete(sequence)) this.#wait(place, sequence);
      if (this.#ring.state(place) === WAITING && this.#isProved(place, record)) {
        this.#waitingCount--;
        this.#prove(place, record);
      }
    }
  }

  proofOf(traceId: string): TraceProof | undefined {
    const sequence = this.#ids.sequenceOf(traceId);
    const place = sequence === null ? -1 : this.#ring.find(sequence);
    if (sequence === null || place < 0) return undefined;
    const state = this.#ring.state(place);
    const seen = this.#ring.seen(place);
    if (state === OPEN) return { state: "waiting", seen, expected: null, findings: [] };
    const expected = this.#ring.record(place).ledger?.count ?? null;
    if (state === COMPLETE) return { state: "complete", seen: expected ?? 0, expected, findings: [] };
    const judged = this.#judged.get(sequence);
    if (judged === undefined) return { state: "waiting", seen, expected, findings: [] };
    const { verdict } = judged;
    return { state: stateOf(verdict), seen: verdict.seen, expected, findings: describeFindings(judged) };
  }

  totals(): ProofTotals {
    const counts = { ...this.#finalCounts, waiting: Math.max(0, this.#waitingCount - this.#ring.overtaken) };
    for (const { verdict } of this.#judged.values()) counts[stateOf(verdict)]++;
    return counts;
  }

  result(): LiveResult {
    const tally = this.#settled.copy();
    for (const [sequence, { endMs, verdict, cause }] of this.#judged) {
      tally.add(this.#ids.traceId(sequence), endMs, verdict, cause);
    }
    this.#forgetSeconds(tally);
    const { header, backend, graph, pageOf, counters } = this.#options;
    const losses = tally.missing === 0 ? [] : attributeLosses(tally, null, counters());
    const { run, url, startMs: startedMs } = header;
    const about = { run, url, startedMs, subject: null, backend, judgedMs: this.#now() };
    const options = { ...about, allowed: { loss: 0, unknown: 0 }, losses, pageOf };
    return {
      result: resultOf({ tally, exportLatency: this.#latency, graph: graph() }, options),
      totals: this.totals(),
    };
  }

  /** Judges requests whose waiting time is over. Must be called every second. */
  tick(): void {
    const startMs = performance.now();
    const dueMs = this.#now() - PATIENCE_MS - this.#options.header.startMs;
    let done = 0;
    for (const sequence of this.#waiting) {
      const place = this.#ring.find(sequence);
      if (place >= 0 && this.#ring.state(place) === WAITING) {
        const record = this.#ring.record(place);
        if (record.endMs > dueMs || performance.now() - startMs > JUDGING_MS) break;
        this.#waitingCount--;
        this.#judge(place, record);
      }
      done++;
    }
    this.#waiting = this.#waiting.slice(done);
    this.#forget();
  }

  #wait(place: number, sequence: number): void {
    this.#ring.setState(place, WAITING);
    this.#waiting.push(sequence);
    this.#waitingCount++;
  }

  #isProved(place: number, { ledger }: LedgerRecord): boolean {
    return ledger !== null && ledger.unknown === 0 && this.#ring.isEqual(place, ledger);
  }

  #prove(place: number, record: LedgerRecord): void {
    const count = record.ledger?.count ?? 0;
    this.#latency.record(Math.max(0, this.#now() - this.#endOf(record)) * 1000);
    this.#settle(place, record, verdictOf({ expected: count, seen: count }, "complete"));
  }

  #settle(place: number, record: LedgerRecord, verdict: Verdict): void {
    this.#ring.setState(place, COMPLETE);
    this.#settled.add(this.#ids.traceId(record.sequence), this.#endOf(record), verdict);
    this.#finalCounts[stateOf(verdict)]++;
  }

  #judge(place: number, record: LedgerRecord): void {
    const spans = this.#options.readTrace(this.#ids.traceId(record.sequence)) ?? [];
    const verdict = judgeTrace(record, spans.map(toSeenSpan), {
      ...this.#knowledge,
      graph: this.#options.graph(),
    });
    // Duplicate spans: the ledger differs, but the stored spans do not.
    if (verdict.class === "complete") this.#settle(place, record, verdict);
    else {
      this.#ring.setState(place, JUDGED);
      this.#judged.set(record.sequence, {
        endMs: this.#endOf(record),
        verdict,
        cause: causeOf(record, verdict),
      });
    }
  }

  #forget(): void {
    for (const [sequence, { endMs, verdict, cause }] of this.#judged) {
      if (this.#judged.size <= MAX_JUDGED) break;
      this.#judged.delete(sequence);
      this.#settled.add(this.#ids.traceId(sequence), endMs, verdict, cause);
      this.#finalCounts[stateOf(verdict)]++;
    }
    this.#forgetSeconds(this.#settled);
  }

  /** A second without its complete requests would appear as one in which every request failed. */
  #forgetSeconds({ seconds }: Tally): void {
    const oldest = Math.floor(this.#now() / 1000) - KEPT_SECONDS;
    for (const second of seconds.keys()) if (second < oldest) seconds.delete(second);
  }

  #endOf({ endMs }: LedgerRecord): number {
    return this.#options.header.startMs + endMs;
  }
}

function toLedgerSpan({ id, parentId, kind, localEndpoint }: Span) {
  return { id, parentId: parentId ?? null, kind, serviceName: localEndpoint?.serviceName ?? "" };
}

function stateOf({ class: name }: Verdict): "complete" | "incomplete" | "unknown" {
  if (name === "unknown") return "unknown";
  return name === "complete" || name === "not-sampled" || name === "duplicated" ? "complete" : "incomplete";
}
