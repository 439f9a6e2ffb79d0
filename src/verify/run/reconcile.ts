import type { Histogram } from "../../lib/histogram.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import { RunIds } from "../../trace/run.ts";
import type { Inquiry } from "../backend/inquiry.ts";
import { makePatient } from "../backend/patient-reader.ts";
import { pause, QueryPace } from "../backend/query-pace.ts";
import { isAway, type TraceReader } from "../backend/trace-reader.ts";
import type { CallGraph } from "../judge/call-graph.ts";
import { judgeTrace, NOT_SAMPLED, UNREACHED, unreachedBy } from "../judge/judge.ts";
import type { KeptExpectation, KeptShares } from "../judge/kept-shares.ts";
import { Learning } from "../judge/learning.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { Tally } from "../judge/tally.ts";
import { isFinal, onTheWay, sampledOut, type Verdict, verdictOf } from "../judge/verdict.ts";
import { BackendMemory } from "./backend-memory.ts";
import type { Elsewhere } from "./elsewhere.ts";
import { addExtraSpans } from "./extra-spans.ts";
import { FinalVerdicts } from "./final-verdicts.ts";
import { type FullLedger, FullLedgers, type NoLedger, type OpenRequest } from "./full-ledgers.ts";
import { findHiddenVisits } from "./hidden-visits.ts";
import { LateTraces } from "./late-traces.ts";
import { compareLedgers } from "./ledger-comparison.ts";
import type { RunLedger } from "./run-ledger.ts";
import { readSingly, type SeenTrace } from "./single-reading.ts";

interface ReconcileOptions {
  readonly ledger: RunLedger;
  readonly reader: TraceReader;
  /** `null`: learned from the traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** Resolves when no more requests are added to the ledger. */
  readonly ended: Promise<unknown>;
  /** Whether the ledger then has all requests of the run, so that traces missing in it are searched for. @default false */
  readonly isWholeRun?: () => boolean;
  /** How often the backend was started again so far; `null` while it cannot be told. @default () => null */
  readonly countRestarts?: () => Promise<number | null>;
  /** Spans that all links recorded since the run began. @default `null`: not known */
  readonly countRecorded?: () => Promise<number | null>;
  /** Asks links for what answers did not bring. @default nobody can be asked, and such traces are unknown */
  readonly inquiry?: Inquiry | null;
  /** Called before the last look: what the counters say then is of spans that had not arrived before it. */
  readonly beforeLast?: () => Promise<void>;
  /** What is not there so long after the end is missing. */
  readonly maxWaitMs: number;
  /** Most queries to the backend in a second; or the pace of all who ask it. */
  readonly queriesPerSecond: number | QueryPace;
  /** What earlier runs have taught; instead of `graph`. */
  readonly learning?: Learning;
  /** Bad traces to list. @default 10 */
  readonly maxExamples?: number;
  /** Traces of which nothing is there at the end count as sampled out. @default false */
  readonly isSamplingAllowed?: boolean;
  /** What the sampling has to keep. @default nothing */
  readonly keptExpectations?: readonly KeptExpectation[];
  readonly signal: AbortSignal;
  /** Aborted: what is there once all requests have ended is judged at once, and what is not is `unknown`, as it may be on the way. */
  readonly hurry?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

interface Progress {
  readonly requests: number;
  readonly settled: number;
  /** Milliseconds until what is not there counts as missing; `null` while requests are sent. */
  readonly leftMs: number | null;
}

export interface Reconciliation {
  readonly tally: Tally;
  readonly keptShares: KeptShares;
  /** Microseconds from the end of a request until its trace was seen complete; of requests that ended while this ran. */
  readonly exportLatency: Histogram;
  /** The one that was given, or what was learned; `null` where no trace was complete. */
  readonly graph: CallGraph | null;
  readonly queries: number;
  /** The backend no longer had traces that were seen complete, and does not tell whether it was started again. */
  readonly hasForgotten: boolean;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** While requests end, so that export latencies are known so finely. */
const LONGEST_LIVE_PAUSE_MS = 300;
/** A backend that is started again and again, or evicts faster than it is read, is judged by what it has by then. */
const MAX_STARTS = 5;
/** Other traces show within this time what one trace does not. */
const LATE_MS = 5000;
const NO_LEDGERS: ReadonlyMap<number, FullLedger | NoLedger> = new Map();
/** The answer brought all that there is to know. */
const NO_LEDGER = "none";
/** Number of pending traces from which the backend's own ledgers are compared instead of spans. */
const LEDGERS_FROM = 2000;

/**
 * Asks the backend again and again for the traces that are not complete yet, less and less often while nothing new comes, until
 * all are or the time is over.
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
  /** Ends a pause: the run is given up, or cut short. */
  readonly #wake: AbortSignal;
  #pending: number[] = [];
  readonly #overdue = new LateTraces();
  /** No more requests are added to the ledger. */
  #isEnded = false;
  #taken = 0;
  #hasAnswered = false;
  /** How often everything was judged. */
  #starts = 1;
  readonly #memory: BackendMemory;
  readonly #fullLedgers: FullLedgers | null;
  /** Requests that were judged by what links remember of them. */
  readonly #asked = new Set<number>();
  /** Requests whose answers and spans do not show all visits. */
  readonly #hidden = new Set<number>();
  #hasLookedForHidden = false;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#ids = new RunIds(options.ledger.header.run);
    this.#settled = new FinalVerdicts(
      options.ledger,
      this.#ids,
      options.maxExamples,
      options.keptExpectations,
    );
    const { queriesPerSecond, signal, hurry, inquiry = null, ledger } = options;
    this.#fullLedgers = inquiry === null ? null : new FullLedgers(inquiry, this.#ids, ledger.header.startMs);
    this.#wake = hurry === undefined ? signal : AbortSignal.any([signal, hurry]);
    this.#pace =
      typeof queriesPerSecond === "number" ? new QueryPace(queriesPerSecond, signal) : queriesPerSecond;
    this.#learning = options.learning ?? new Learning(options.graph);
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
    // One more turn after the last request and one after the deadline: what came in between is seen.
    for (;;) {
      if (failure !== null) throw failure;
      const deadline = deadlineMs as number | null;
      const isLast = deadline !== null && (this.#isCutShort || performance.now() >= deadline);
      if (isLast) await this.#options.beforeLast?.();
      this.#takeNew();
      this.#pending = this.#overdue.take(this.#isEnded).concat(this.#pending);
      const before = this.#pending.length;
      const lookedAtMs = performance.now();
      await this.#lookIfItAnswers(isLast);
      const lookMs = performance.now() - lookedAtMs;
      this.#report(deadline);
      if (isLast || (deadline !== null && this.#isAllSettled)) {
        if (this.#starts >= MAX_STARTS) break;
        if (!(await this.#memory.isForgotten()) && !(await this.#findHiddenVisits())) break;
        this.#startOver();
        continue;
      }
      const longestMs = deadline === null ? LONGEST_LIVE_PAUSE_MS : LONGEST_PAUSE_MS;
      pauseMs = this.#pending.length < before ? FIRST_PAUSE_MS : Math.min(longestMs, pauseMs * 1.5);
      // While requests are sent, a backend that is slow to answer needs time for their spans.
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

  /** Nobody waits for what is still on the way. */
  get #isCutShort(): boolean {
    return this.#isEnded && this.#options.hurry?.aborted === true;
  }

  async #pause(ms: number): Promise<void> {
    const { signal, hurry } = this.#options;
    await pause(ms, hurry?.aborted ? signal : this.#wake).catch(() => {});
    signal.throwIfAborted();
  }

  get #isAllSettled(): boolean {
    return this.#pending.length + this.#overdue.size === 0 && this.#taken === this.#options.ledger.size;
  }

  /** Whether links were visited more often than answers and spans tell. Such requests are then judged by what links remember. */
  async #findHiddenVisits(): Promise<boolean> {
    const { ledger, inquiry, countRecorded } = this.#options;
    if (!inquiry || this.#hasLookedForHidden || this.#isCutShort) return false;
    this.#hasLookedForHidden = true;
    const recorded = (await countRecorded?.()) ?? null;
    if (recorded !== null && recorded <= this.#settled.tally.expected) return false;
    for (const index of await findHiddenVisits(ledger, this.#ids, inquiry))
      if (!this.#asked.has(index)) this.#hidden.add(index);
    return this.#hidden.size > 0;
  }

  #startOver(): void {
    this.#starts++;
    this.#settled.startOver();
    this.#pending = [];
    this.#overdue.clear();
    this.#taken = 0;
  }

  /** Requests that ended since; those that nobody can judge are judged at once. */
  #takeNew(): void {
    const { ledger } = this.#options;
    for (; this.#taken < ledger.size; this.#taken++) {
      const record = ledger.record(this.#taken);
      const { ledger: recorded, isSampled, isBroken } = record;
      const canAsk = this.#fullLedgers !== null && isSampled && !isBroken;
      if (isBroken || (recorded === null && !canAsk)) {
        this.#settled.add(record, judgeTrace(record, [], this.#learning.knowledge));
      } else if (!isSampled && recorded?.count === 0) this.#settled.add(record, NOT_SAMPLED);
      else this.#pending.push(this.#taken);
    }
  }

  /** A backend that has answered before may be away for a while: only at the end that is its last word. */
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
      // What was not read is what the next look begins with.
      this.#pending = pending.slice(from).concat(this.#pending);
    }
    const isOver = () => this.#isCutShort;
    await readSingly(left, { reader, ids: this.#ids, pace: this.#pace, isOver, signal });
    // At the end all that can be learned is known.
    for (const trace of left) {
      const verdict = this.#judge(trace);
      const isEarly = this.#isCutShort && !isFinal(verdict);
      this.#settled.add(
        trace.record,
        isEarly ? onTheWay(verdict) : this.#allowSampling(verdict, trace.spans),
      );
      if (!isEarly) this.#addFailedCalls(trace);
    }
  }

  /** A single span, whoever recorded it, would show that the sampler kept the trace. */
  #allowSampling(verdict: Verdict, spans: readonly SeenSpan[]): Verdict {
    const isAbsent = verdict.class === "not-found" && spans.length === 0;
    return isAbsent && this.#options.isSamplingAllowed ? sampledOut(verdict) : verdict;
  }

  #judge({ record, spans, reached, recorded, elsewhere, isUnreached }: SeenTrace): Verdict {
    const brokenEdges = elsewhere === null || this.#isFromCache(elsewhere) ? [] : elsewhere.edges;
    if (isUnreached) return brokenEdges.length === 0 ? UNREACHED : unreachedBy(brokenEdges);
    const told = { brokenEdges, recorded };
    return this.#learning.judge(record, spans, reached === null ? told : { ...told, reached });
  }

  #isFromCache(elsewhere: Elsewhere): boolean {
    return this.#fullLedgers?.isFromCache(elsewhere) ?? false;
  }

  #addFailedCalls({ spans, reached, elsewhere }: SeenTrace): void {
    if (reached === null) return;
    const cached = elsewhere !== null && this.#isFromCache(elsewhere) ? elsewhere.calls : undefined;
    this.#settled.tally.failedCalls.add(spans, reached, cached);
  }

  /** What may still change stays pending, or is kept in `left`. */
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
      const spans = this.#overdue.recall(index, traces.get(ids[at] as string) ?? []);
      return { index, record, spans, isLate: this.#isEnded && seenAt - ledger.endOf(record) > LATE_MS };
    });
    const found = await this.#findFullLedgers(read, left !== null);
    for (const { index, record: answered, spans } of read) {
      const full = found.get(index) ?? NO_LEDGER;
      if (typeof full === "object") this.#asked.add(index);
      const { record, isUnreached, reached, recorded, elsewhere } =
        typeof full === "object"
          ? full
          : { record: answered, isUnreached: false, reached: null, recorded: null, elsewhere: null };
      if (full === "later" && left === null) {
        this.#postpone(index, record, spans);
        continue;
      }
      if (full === "never" && record.ledger === null) {
        this.#settled.add(record, this.#learning.judge(record, spans));
        continue;
      }
      if (left === null && spans.length < (record.ledger?.count ?? 0)) {
        // Looking for what is missing costs far more than looking again.
        this.#postpone(index, record, spans);
        continue;
      }
      const trace = { record, spans, reached, recorded, elsewhere, isUnreached };
      const verdict = this.#judge(trace);
      if (isFinal(verdict)) {
        this.#settled.add(record, verdict, seenAt);
        this.#addFailedCalls(trace);
        this.#overdue.forget(index);
        this.#fullLedgers?.forget(index);
      } else if (left !== null) left.push(trace);
      else this.#postpone(index, record, spans);
    }
  }

  /** Of requests whose answers brought no whole ledger, or less than is there, as something sent them twice. */
  async #findFullLedgers(requests: readonly OpenRequest[], isLast: boolean) {
    if (this.#fullLedgers === null) return NO_LEDGERS;
    for (const request of requests) this.#fullLedgers.learn(request);
    const isOpen = ({ index, record: { ledger, isSampled }, spans, isLate }: OpenRequest) => {
      if (!isSampled) return false;
      if (ledger === null || ledger.unknown > 0 || this.#hidden.has(index)) return true;
      const count = countOfLinks(spans);
      // What is late may be missing, or was never part of the trace.
      return count > ledger.count || (count < ledger.count && (isLate || isLast));
    };
    const open = requests.filter(isOpen);
    if (open.length === 0) return NO_LEDGERS;
    const { graph } = this.#options;
    const callers = {
      entry: graph?.entry ?? null,
      services: graph === null ? null : [...graph.services.keys()],
    };
    return this.#fullLedgers.find(open, callers, isLast);
  }

  #postpone(index: number, record: LedgerRecord, spans: readonly SeenSpan[]): void {
    const { ledger, maxWaitMs } = this.#options;
    const ageMs = Date.now() - ledger.endOf(record);
    this.#overdue.remember(index, spans);
    if (this.#isEnded || ageMs <= maxWaitMs) this.#pending.push(index);
    else this.#overdue.add(index, ageMs);
  }

  /** Settles the traces that the backend's own ledgers prove. Few traces are read instead: spans also show who ignored a sampling decision. */
  async #compareLedgers(reader: TraceReader): Promise<void> {
    const { ledger, signal } = this.#options;
    const isSettledAt = new Uint8Array(ledger.size);
    // The spans of some are read all the same: what is missing in others is named by what whole traces have taught.
    let toLearnFrom = this.#learning.wanted;
    try {
      for await (const batch of compareLedgers(ledger, this.#pending, reader, this.#pace, signal)) {
        this.#hasAnswered = true;
        const seenAt = Date.now();
        for (const { index, record, isProved } of batch) {
          if (!isProved || this.#hidden.has(index) || toLearnFrom-- > 0) continue;
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

/** How many spans look like those of links. */
function countOfLinks(spans: readonly SeenSpan[]): number {
  return spans.reduce((count, { recorder }) => count + Number(recorder === undefined), 0);
}
