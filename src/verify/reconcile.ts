import { Histogram } from "../lib/histogram.ts";
import type { Ledger } from "../trace/ledger.ts";
import { RunIds } from "../trace/run.ts";
import { RECORD_BYTES, type RunRecord, readRunRecord } from "../trace/run-ledger.ts";
import { type CallGraph, GraphLearner } from "./call-graph.ts";
import { isSameAccount } from "./digest.ts";
import { findForeignServices } from "./foreign.ts";
import { judgeTrace, type Knowledge, NOT_SAMPLED } from "./judge.ts";
import type { RunBook } from "./run-book.ts";
import type { SeenSpan } from "./seen-span.ts";
import { Tally } from "./tally.ts";
import type { TraceReader } from "./trace-reader.ts";
import { type Verdict, verdictOf } from "./verdict.ts";

export interface ReconcileOptions {
  readonly book: RunBook;
  readonly reader: TraceReader;
  /** `null`: learned from the traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** Resolves when no more requests are added to the book. */
  readonly ended: Promise<unknown>;
  /** What is not there so long after the end is missing. */
  readonly maxWaitMs: number;
  /** Most queries to the backend in a second. */
  readonly queriesPerSecond: number;
  readonly signal: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

export interface Progress {
  readonly requests: number;
  readonly settled: number;
  /** Milliseconds until what is not there counts as missing; `null` while requests are sent. */
  readonly leftMs: number | null;
}

export interface Reconciliation {
  readonly tally: Tally;
  /** Microseconds from the end of a request until its trace was seen complete; of requests that ended while this ran. */
  readonly exportLatency: Histogram;
  /** The one that was given, or what was learned; `null` where no trace was complete. */
  readonly graph: CallGraph | null;
  readonly queries: number;
}

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
/** While requests end, so that export latencies are known so finely. */
const LONGEST_LIVE_PAUSE_MS = 300;
/** Pending traces from which on accounts are compared instead of spans; and how many at a time. */
const ACCOUNTS_FROM = 2000;
const ACCOUNTS_AT_ONCE = 20_000;
/** Traces to learn a graph from; more say nothing new. */
const LEARNED_TRACES = 2000;

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
  readonly #tally = new Tally();
  readonly #latency = new Histogram();
  readonly #learner = new GraphLearner();
  readonly #foreign = new Set<string>();
  readonly #startedAt = Date.now();
  /** By request; each comparison says the latest number. */
  readonly #swallowed = new Map<number, number>();
  #isCompared = false;
  #learned = 0;
  #pending: number[] = [];
  #taken = 0;
  #queries = 0;
  #nextQueryMs = 0;

  constructor(options: ReconcileOptions) {
    this.#options = options;
    this.#ids = new RunIds(options.book.header.run);
  }

  async run(): Promise<Reconciliation> {
    const { ended, maxWaitMs, signal } = this.#options;
    let deadlineMs: number | null = null;
    void ended.then(
      () => {
        deadlineMs = performance.now() + maxWaitMs;
      },
      () => {},
    );
    let pauseMs = FIRST_PAUSE_MS;
    // One more turn after the last request and one after the deadline: what came in between is seen.
    for (;;) {
      const deadline = deadlineMs as number | null;
      const isLast = deadline !== null && performance.now() >= deadline;
      this.#takeNew();
      const before = this.#pending.length;
      await this.#look(isLast);
      this.#report(deadline);
      if (
        isLast ||
        (deadline !== null && this.#pending.length === 0 && this.#taken === this.#options.book.size)
      ) {
        break;
      }
      const longestMs = deadline === null ? LONGEST_LIVE_PAUSE_MS : LONGEST_PAUSE_MS;
      pauseMs = this.#pending.length < before ? FIRST_PAUSE_MS : Math.min(longestMs, pauseMs * 1.5);
      const leftMs = deadline === null ? pauseMs : Math.max(0, deadline - performance.now());
      await pause(Math.min(pauseMs, leftMs), signal);
    }
    await this.#countSwallowed();
    return {
      tally: this.#tally,
      exportLatency: this.#latency,
      graph: this.#knowledge().graph,
      queries: this.#queries,
    };
  }

  /** Requests that ended since; those that nobody can judge are judged at once. */
  #takeNew(): void {
    const { book } = this.#options;
    for (; this.#taken < book.size; this.#taken++) {
      const record = book.record(this.#taken);
      const { ledger, isSampled, isBroken } = record;
      if (ledger === null || isBroken) this.#settle(record, judgeTrace(record, [], this.#knowledge()));
      else if (!isSampled && ledger.count === 0) this.#settle(record, NOT_SAMPLED);
      else this.#pending.push(this.#taken);
    }
  }

  /**
   * Where the backend computes accounts itself, those that are equal prove their traces without a span being read. The rest stays
   * pending. Not for few, as spans say more: who ignored a sampling decision, whom a service calls.
   */
  async #compareAccounts(): Promise<void> {
    const { book, reader, signal } = this.#options;
    if (reader.readAccounts === undefined || this.#pending.length < ACCOUNTS_FROM) return;
    const order = Uint32Array.from(this.#pending).sort((a, b) => book.sequence(a) - book.sequence(b));
    const left: number[] = [];
    for (let at = 0; at < order.length; ) {
      const from = book.sequence(order[at] as number);
      await this.#waitForTurn();
      const view = await reader.readAccounts(book.header.run, from, ACCOUNTS_AT_ONCE, signal);
      if (view === null) return;
      const seenAt = Date.now();
      let offset = 0;
      for (; at < order.length; at++) {
        const index = order[at] as number;
        const record = book.record(index);
        if (record.sequence >= from + ACCOUNTS_AT_ONCE) break;
        while (offset < view.byteLength && view.getUint32(offset, true) < record.sequence)
          offset += RECORD_BYTES;
        const isThere = offset < view.byteLength && view.getUint32(offset, true) === record.sequence;
        const stored = isThere ? this.#noteCopies(view, offset).ledger : null;
        if (isProved(record, stored)) {
          const count = record.ledger?.count ?? 0;
          this.#settle(record, verdictOf({ expected: count, seen: count }, "complete"), seenAt);
        } else left.push(index);
      }
      this.#report(null);
    }
    this.#pending = left;
    this.#isCompared = true;
  }

  /** Copies that the backend has not kept, where it counts them. */
  async #countSwallowed(): Promise<void> {
    const { book, reader, signal } = this.#options;
    let end = 0;
    for (let index = 0; index < book.size; index++) end = Math.max(end, book.sequence(index) + 1);
    for (let from = 0; from < end && !this.#isCompared; from += ACCOUNTS_AT_ONCE) {
      await this.#waitForTurn();
      const view = await reader.readAccounts?.(book.header.run, from, ACCOUNTS_AT_ONCE, signal);
      if (!view) break;
      for (let offset = 0; offset < view.byteLength; offset += RECORD_BYTES) this.#noteCopies(view, offset);
    }
    for (const copies of this.#swallowed.values()) this.#tally.copies += copies;
  }

  #noteCopies(view: DataView, offset: number): RunRecord {
    const record = readRunRecord(view, offset);
    const copies = record.ledger?.unknown ?? 0;
    if (copies > 0) this.#swallowed.set(record.sequence, copies);
    return record;
  }

  async #look(isLast: boolean): Promise<void> {
    const { book, reader, signal } = this.#options;
    await this.#compareAccounts();
    const pending = this.#pending;
    const left: { readonly record: RunRecord; readonly spans: readonly SeenSpan[] }[] = [];
    this.#pending = [];
    for (let from = 0; from < pending.length; from += reader.batchSize) {
      const indexes = pending.slice(from, from + reader.batchSize);
      const records = indexes.map((index) => book.record(index));
      await this.#waitForTurn();
      const traces = await reader.read(
        records.map(({ sequence }) => this.#ids.traceId(sequence)),
        signal,
      );
      const seenAt = Date.now();
      for (const [at, record] of records.entries()) {
        const spans = traces.get(this.#ids.traceId(record.sequence)) ?? [];
        const verdict = this.#judge(record, spans);
        if (isSettled(verdict)) this.#settle(record, verdict, seenAt);
        else if (isLast) left.push({ record, spans });
        else this.#pending.push(indexes[at] as number);
      }
      if (!isLast) this.#report(null);
    }
    // At the end all that can be learned is known.
    for (const { record, spans } of left) this.#settle(record, this.#judge(record, spans));
  }

  #judge(record: RunRecord, spans: readonly SeenSpan[]): Verdict {
    const verdict = judgeTrace(record, spans, this.#knowledge());
    const { ledger } = record;
    if (verdict.class === "complete") {
      const ours = spans.filter(({ serviceName }) => !this.#foreign.has(serviceName));
      if (this.#options.graph === null && this.#learned++ < LEARNED_TRACES) this.#learner.add(ours);
      return verdict;
    }
    if (this.#options.graph !== null || ledger === null || ledger.unknown > 0) return verdict;
    const foreign = findForeignServices(spans, ledger);
    if (foreign === null) return verdict;
    for (const name of foreign) this.#foreign.add(name);
    return judgeTrace(record, spans, this.#knowledge());
  }

  #knowledge(): Knowledge {
    const { graph } = this.#options;
    return {
      graph: graph ?? this.#learner.graph(),
      services: graph === null ? null : new Set(graph.services.keys()),
      foreign: this.#foreign,
    };
  }

  #settle(record: RunRecord, verdict: Verdict, seenAt?: number): void {
    const endedAt = this.#options.book.endOf(record);
    this.#tally.add(this.#ids.traceId(record.sequence), endedAt, verdict);
    if (seenAt !== undefined && endedAt >= this.#startedAt && verdict.class === "complete") {
      this.#latency.record(Math.max(0, seenAt - endedAt) * 1000);
    }
  }

  async #waitForTurn(): Promise<void> {
    const { queriesPerSecond, signal } = this.#options;
    const nowMs = performance.now();
    const waitMs = this.#nextQueryMs - nowMs;
    this.#nextQueryMs = Math.max(nowMs, this.#nextQueryMs) + 1000 / queriesPerSecond;
    this.#queries++;
    if (waitMs > 0) await pause(waitMs, signal);
  }

  #report(deadline: number | null): void {
    const { book, onProgress } = this.#options;
    const leftMs = deadline === null ? null : Math.max(0, deadline - performance.now());
    onProgress?.({ requests: book.size, settled: this.#tally.traces, leftMs });
  }
}

/** Equal, and nothing unknown. Copies that were not kept alter nothing. */
function isProved({ ledger, isSampled }: RunRecord, stored: Ledger | null): boolean {
  if (ledger === null || stored === null || !isSampled) return false;
  return ledger.unknown === 0 && isSameAccount(ledger, stored);
}

/** Waiting changes nothing any more. */
function isSettled(verdict: Verdict): boolean {
  if (verdict.certainty !== "proved" || verdict.class === "orphaned") return false;
  return verdict.missing.length + verdict.unattributed === 0;
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
  signal.throwIfAborted();
}
