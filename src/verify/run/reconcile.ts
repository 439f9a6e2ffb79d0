import type { Histogram } from "../../lib/histogram.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import { RunIds } from "../../trace/run.ts";
import type { Inquiry } from "../backend/inquiry.ts";
import { makePatient } from "../backend/patient-reader.ts";
import { pause, QueryPace } from "../backend/query-pace.ts";
import { isAway, type TraceReader } from "../backend/trace-reader.ts";
import type { CallGraph } from "../judge/call-graph.ts";
import type { KeptExpectation, KeptShares } from "../judge/kept-shares.ts";
import { Learning } from "../judge/learning.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { Tally } from "../judge/tally.ts";
import { isFinal, verdictOf } from "../judge/verdict.ts";
import { BackendMemory } from "./backend-memory.ts";
import { addExtraSpans } from "./extra-spans.ts";
import { FinalVerdicts } from "./final-verdicts.ts";
import { LateTraces } from "./late-traces.ts";
import { compareLedgers } from "./ledger-comparison.ts";
import { RunJudge, traceOf } from "./run-judge.ts";
import type { RunLedger } from "./run-ledger.ts";
import { readSingly, type SeenTrace } from "./single-reading.ts";

interface ReconcileOptions {
  readonly ledger: RunLedger;
  readonly reader: TraceReader;
  /** `null` to learn it from traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** Resolves when no more requests are added to the ledger. */
  readonly ended: Promise<unknown>;
  /** Whether the ledger then covers the whole run, so that unrecorded traces are searched for. @default false */
  readonly isWholeRun?: () => boolean;
  /** Returns the number of backend restarts so far; `null` if unknown. @default () => null */
  readonly countRestarts?: () => Promise<number | null>;
  /** Returns the spans that all links recorded since the run began; `null` if unknown. @default () => null */
  readonly countRecorded?: () => Promise<number | null>;
  /** Asks links for what answers did not bring. @default none: such traces are unknown */
  readonly inquiry?: Inquiry | null;
  /** Called before the last look, to read counters that cover every span that has not arrived by then. */
  readonly beforeLast?: () => Promise<void>;
  /** Spans that have not arrived this long after the end are missing. */
  readonly maxWaitMs: number;
  /** Maximum queries to the backend per second, or a pace shared with other readers. */
  readonly queriesPerSecond: number | QueryPace;
  /** What earlier runs have taught. It replaces `graph`. */
  readonly learning?: Learning;
  /** Bad traces to list. @default 10 */
  readonly maxExamples?: number;
  /** Whether traces without any span count as sampled out. @default false */
  readonly isSamplingAllowed?: boolean;
  /** What the sampling policy must keep. @default nothing */
  readonly keptExpectations?: readonly KeptExpectation[];
  readonly signal: AbortSignal;
  /**
   * When aborted, all traces are judged as soon as all requests have ended. Missing spans make a trace
   * `unknown`, because they may still arrive.
   */
  readonly hurry?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

interface Progress {
  readonly requests: number;
  readonly settled: number;
  /** Milliseconds until spans count as missing; `null` while requests are sent. */
  readonly leftMs: number | null;
}

export interface Reconciliation {
  readonly tally: Tally;
  readonly keptShares: KeptShares;
  /**
   * Microseconds from the end of a request until its trace was seen complete, for requests that ended while
   * this ran.
   */
  readonly exportLatency: Histogram;
  /** The given graph, or the learned one; `null` if no trace was complete. */
  readonly graph: CallGraph | null;
  readonly queries: number;
  /** Whether traces that were seen complete have disappeared from a backend that does not report restarts. */
  readonly hasForgotten: boolean;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** Maximum pause while requests are sent. It is the resolution of export latencies. */
const LONGEST_LIVE_PAUSE_MS = 300;
/**
 * Maximum number of times everything is judged. A backend that keeps restarting, or evicts faster than it is
 * read, is judged by what it has by then.
 */
const MAX_STARTS = 5;
/** After this time, other traces have shown what one trace does not. */
const LATE_MS = 5000;
/** Number of pending traces from which the backend's own ledgers are compared instead of spans. */
const LEDGERS_FROM = 2000;

/**
 * Polls the backend for incomplete traces, with growing pauses while nothing new arrives, until all are
 * complete or the time is over.
 * @throws {UserError} `backend-unreadable` when it could not be read to the end
 */
export async function reconcile(options: ReconcileOptions): Promise<Reconciliation> {
  const run = new Reconciler(options);
  return run.run();
}

class Reconciler {
  readonly #options: ReconcileOptions;
  readonly #ids: RunIds;
  readonly #pace: QueryPace;
  readonly #learning: Learning;
  readonly #settled: FinalVerdicts;
  /** Ends a pause when the run is given up or cut short. */
  readonly #wake: AbortSignal;
  #pending: number[] = [];
  readonly #late = new LateTraces();
  /** Whether the ledger is complete. */
  #isEnded = false;
  #taken = 0;
  #hasAnswered = false;
  /** Number of times everything was judged. */
  #starts = 1;
  readonly #memory: BackendMemory;
  readonly #judge: RunJudge;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#ids = new RunIds(options.ledger.header.run);
    this.#settled = new FinalVerdicts(
      options.ledger,
      this.#ids,
      options.maxExamples,
      options.keptExpectations,
    );
    const { queriesPerSecond, signal, hurry } = options;
    this.#wake = hurry === undefined ? signal : AbortSignal.any([signal, hurry]);
    this.#pace =
      typeof queriesPerSecond === "number" ? new QueryPace(queriesPerSecond, signal) : queriesPerSecond;
    this.#learning = options.learning ?? new Learning(options.graph);
    this.#judge = new RunJudge({
      ledger: options.ledger,
      ids: this.#ids,
      settled: this.#settled,
      learning: this.#learning,
      graph: options.graph,
      inquiry: options.inquiry ?? null,
      countRecorded: options.countRecorded ?? (async () => null),
      isSamplingAllowed: options.isSamplingAllowed ?? false,
    });
    this.#memory = new BackendMemory({
      reader: options.reader,
      ids: this.#ids,
      pace: this.#pace,
      settled: this.#settled,
      countRestarts: options.countRestarts ?? (async () => null),
      signal,
    });
  }

  async run(): Promise<Reconciliation> {
    const { ended, maxWaitMs } = this.#options;
    let deadlineMs: number | null = null;
    let failure: unknown = null;
    void ended
      .catch((error: unknown) => {
        failure = error;
      })
      .then(() => {
        this.#isEnded = true;
        deadlineMs = performance.now() + maxWaitMs;
      });
    let pauseMs = FIRST_PAUSE_MS;
    // One more turn after the last request and one after the deadline, to see what arrived in between.
    for (;;) {
      if (failure !== null) throw failure;
      const deadline = deadlineMs as number | null;
      const isLast = deadline !== null && (this.#isCutShort || performance.now() >= deadline);
      if (isLast) await this.#options.beforeLast?.();
      this.#takeNew();
      this.#pending = this.#late.take(this.#isEnded).concat(this.#pending);
      const before = this.#pending.length;
      const lookedAtMs = performance.now();
      await this.#lookIfItAnswers(isLast);
      const lookMs = performance.now() - lookedAtMs;
      this.#report(deadline);
      if (isLast || (deadline !== null && this.#isAllSettled)) {
        if (this.#starts >= MAX_STARTS) break;
        const isAgain =
          (await this.#memory.isForgotten()) || (!this.#isCutShort && (await this.#judge.findHiddenVisits()));
        if (!isAgain) break;
        this.#startOver();
        continue;
      }
      const longestMs = deadline === null ? LONGEST_LIVE_PAUSE_MS : LONGEST_PAUSE_MS;
      pauseMs = this.#pending.length < before ? FIRST_PAUSE_MS : Math.min(longestMs, pauseMs * 1.5);
      // While requests are sent, a slow backend needs time to store their spans.
      const waitMs =
        deadline === null
          ? Math.max(pauseMs, lookMs)
          : Math.min(pauseMs, Math.max(0, deadline - performance.now()));
      await this.#pause(waitMs);
    }
    const { ledger, reader, isWholeRun, signal } = this.#options;
    const findings = { ledger, reader, pace: this.#pace, signal, hasAnswered: this.#hasAnswered };
    await addExtraSpans(this.#settled, { ...findings, isWholeRun: isWholeRun?.() ?? false });
    return {
      tally: this.#settled.tally,
      keptShares: this.#settled.keptShares,
      exportLatency: this.#settled.latency,
      graph: this.#learning.knowledge.graph,
      queries: this.#pace.queries,
      hasForgotten: this.#memory.hasForgotten,
    };
  }

  /** Whether nobody waits for spans that may still arrive. */
  get #isCutShort(): boolean {
    return this.#isEnded && this.#options.hurry?.aborted === true;
  }

  async #pause(ms: number): Promise<void> {
    const { signal, hurry } = this.#options;
    await pause(ms, hurry?.aborted ? signal : this.#wake).catch(() => {});
    signal.throwIfAborted();
  }

  get #isAllSettled(): boolean {
    return this.#pending.length + this.#late.size === 0 && this.#taken === this.#options.ledger.size;
  }

  #startOver(): void {
    this.#starts++;
    this.#settled.startOver();
    this.#pending = [];
    this.#late.clear();
    this.#taken = 0;
  }

  /** Takes requests that ended since the last look. Those that need no spans are settled at once. */
  #takeNew(): void {
    const { ledger } = this.#options;
    for (; this.#taken < ledger.size; this.#taken++)
      if (!this.#judge.settleUnread(ledger.record(this.#taken))) this.#pending.push(this.#taken);
  }

  /** Tolerates an unreadable backend that has answered before, except in the last look. */
  async #lookIfItAnswers(isLast: boolean): Promise<void> {
    try {
      await this.#look(isLast);
    } catch (error) {
      if (isLast || !this.#hasAnswered || !isAway(error)) throw error;
    }
  }

  /** A busy backend that has answered before gets more time for its last answer. */
  #readerFor(isLast: boolean): TraceReader {
    const { reader } = this.#options;
    return isLast && this.#hasAnswered ? makePatient(reader) : reader;
  }

  async #look(isLast: boolean): Promise<void> {
    const { signal } = this.#options;
    const reader = this.#readerFor(isLast);
    const hasLedgers = reader.readLedgers !== undefined && this.#pending.length >= LEDGERS_FROM;
    if (hasLedgers) await this.#compareLedgers(reader);
    const pending = this.#pending;
    // Traces that the ledgers do not prove are mostly in flight or lost: all of them are read only in the last look.
    const end = hasLedgers && !isLast ? Math.min(LEDGERS_FROM, pending.length) : pending.length;
    const left: SeenTrace[] = [];
    this.#pending = [];
    let from = 0;
    try {
      for (; from < end && (isLast || !this.#isCutShort); from += reader.batchSize) {
        await this.#readBatch(reader, pending.slice(from, from + reader.batchSize), isLast ? left : null);
        if (!isLast) this.#report(null);
      }
    } finally {
      // The next look begins with what was not read.
      this.#pending = pending.slice(from).concat(this.#pending);
    }
    const isOver = () => this.#isCutShort;
    await readSingly(left, { reader, ids: this.#ids, pace: this.#pace, isOver, signal });
    // By now, everything that can be learned is known.
    for (const trace of left) this.#judge.settleLast(trace, this.#isCutShort);
  }

  /** Judges a batch. Traces that may still change stay pending, or are added to `left`. */
  async #readBatch(reader: TraceReader, indexes: readonly number[], left: SeenTrace[] | null): Promise<void> {
    const { ledger, signal } = this.#options;
    const records = indexes.map((index) => ledger.record(index));
    const ids = records.map(({ sequence }) => this.#ids.traceId(sequence));
    await this.#pace.turn();
    const traces = await reader.read(ids, signal);
    this.#hasAnswered = true;
    const seenAt = Date.now();
    const read = records.map((record, at) => {
      const index = indexes[at] as number;
      const spans = this.#late.recall(index, traces.get(ids[at] as string) ?? []);
      return { index, record, spans, isLate: this.#isEnded && seenAt - ledger.endOf(record) > LATE_MS };
    });
    const found = await this.#judge.findFullLedgers(read, left !== null);
    for (const request of read) {
      const { index, spans } = request;
      const full = found.get(index);
      const trace = traceOf(request, full);
      const { record } = trace;
      // Looking for what is missing costs far more than looking again.
      const isShort = spans.length < (record.ledger?.count ?? 0);
      if (left === null && (full === "later" || isShort)) {
        this.#postpone(index, record, spans);
        continue;
      }
      if (full === "never" && record.ledger === null) {
        this.#judge.settleForgotten(record, spans);
        continue;
      }
      const verdict = this.#judge.judge(trace);
      if (isFinal(verdict)) {
        this.#judge.settle(index, trace, verdict, seenAt);
        this.#late.forget(index);
      } else if (left !== null) left.push(trace);
      else this.#postpone(index, record, spans);
    }
  }

  #postpone(index: number, record: LedgerRecord, spans: readonly SeenSpan[]): void {
    const { ledger, maxWaitMs } = this.#options;
    const ageMs = Date.now() - ledger.endOf(record);
    this.#late.remember(index, spans);
    if (this.#isEnded || ageMs <= maxWaitMs) this.#pending.push(index);
    else this.#late.add(index, ageMs);
  }

  /** Settles the traces that the backend's own ledgers prove. Few traces are read instead: spans also show who ignored a sampling decision. */
  async #compareLedgers(reader: TraceReader): Promise<void> {
    const { ledger, signal } = this.#options;
    const isSettledAt = new Uint8Array(ledger.size);
    // Read the spans of some traces nevertheless, because complete traces teach what is missing in others.
    let toLearnFrom = this.#learning.wanted;
    try {
      for await (const batch of compareLedgers(ledger, this.#pending, reader, this.#pace, signal)) {
        this.#hasAnswered = true;
        const seenAt = Date.now();
        for (const { index, record, isProved } of batch) {
          if (!isProved || !this.#judge.canProveByLedger(index) || toLearnFrom-- > 0) continue;
          const count = record.ledger?.count ?? 0;
          this.#settled.add(record, verdictOf({ expected: count, seen: count }, "complete"), seenAt);
          isSettledAt[index] = 1;
        }
        this.#report(null);
      }
    } finally {
      this.#pending = this.#pending.filter((index) => isSettledAt[index] === 0);
    }
  }

  #report(deadline: number | null): void {
    const { ledger, onProgress } = this.#options;
    const leftMs = deadline === null ? null : Math.max(0, deadline - performance.now());
    onProgress?.({ requests: ledger.size, settled: this.#settled.tally.traces, leftMs });
  }
}
