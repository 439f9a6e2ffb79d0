import type { Span } from "../trace/span.ts";
import { SortedTraces } from "./sorted-traces.ts";
import type { TraceQuery } from "./store.ts";
import { SPANS_PER_FILTER, TermFilter } from "./term-filter.ts";

/** What is known of a trace without reading its spans. */
export interface StoredTrace {
  /** The first id that was seen of it, or its last 16 digits where ids are not strict. */
  readonly id: string;
  readonly filter: TermFilter;
  /** Numbers of its parts. */
  readonly parts: number[];
  /** Earliest timestamp of its spans, microseconds since 1970; 0 when none has one. */
  start: number;
  maxDuration: number;
  spans: number;
  bytes: number;
  /** Copies of its spans that came and were not kept. */
  duplicates: number;
}

type Window = Pick<TraceQuery, "endTs" | "lookback">;

/** All traces: by id, and by start, where one end is evicted from and the other found from. */
export class TraceIndex {
  spans = 0;
  bytes = 0;
  readonly #isStrict: boolean;
  readonly #byId = new Map<string, StoredTrace>();
  readonly #byStart = new SortedTraces<StoredTrace>();
  /** The one that new traces get. */
  #filter = new TermFilter();

  /** @param isStrict whether ids of 16 and 32 digits that end alike are different traces */
  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** The same for all ids of a trace. */
  keyOf(traceId: string): string {
    return this.#isStrict ? traceId : traceId.slice(-16);
  }

  get(key: string): StoredTrace | undefined {
    return this.#byId.get(key);
  }

  find(traceId: string): StoredTrace | undefined {
    return this.#byId.get(this.keyOf(traceId));
  }

  values(): Iterable<StoredTrace> {
    return this.#byId.values();
  }

  /** A trace that is in the index as soon as it has spans. */
  draft(key: string): StoredTrace {
    if (this.#filter.spans >= SPANS_PER_FILTER) this.#filter = new TermFilter();
    const filter = this.#filter;
    return { id: key, filter, parts: [], start: 0, maxDuration: 0, spans: 0, bytes: 0, duplicates: 0 };
  }

  addPart(trace: StoredTrace, part: number, bytes: number, spans: readonly Span[]): void {
    let start = trace.start;
    for (const { timestamp = 0, duration = 0 } of spans) {
      if (timestamp > 0 && (start === 0 || timestamp < start)) start = timestamp;
      if (duration > trace.maxDuration) trace.maxDuration = duration;
    }
    const isNew = trace.parts.length === 0;
    if (isNew) this.#byId.set(trace.id, trace);
    else if (start !== trace.start) this.#byStart.remove(trace);
    if (isNew || start !== trace.start) {
      trace.start = start;
      this.#byStart.add(trace);
    }
    trace.parts.push(part);
    trace.spans += spans.length;
    trace.bytes += bytes;
    this.spans += spans.length;
    this.bytes += bytes;
  }

  remove(trace: StoredTrace): void {
    this.#byStart.remove(trace);
    this.#byId.delete(trace.id);
    this.spans -= trace.spans;
    this.bytes -= trace.bytes;
  }

  /** The first to make room: one without timestamps, or else the one that started first. */
  oldest(): StoredTrace | undefined {
    return this.#byStart.first();
  }

  /** Newest first. Change nothing meanwhile. */
  inWindow({ endTs, lookback }: Window): Iterable<StoredTrace> {
    return this.#byStart.newestFirst(Math.max((endTs - lookback) * 1000, 1), endTs * 1000);
  }

  /** Those in the window of a query that may be what it asks for, newest first; most that are not are left out. */
  *candidates(query: TraceQuery, terms: readonly number[]): Generator<StoredTrace> {
    const answers = new Map<TermFilter, boolean>();
    for (const trace of this.inWindow(query)) {
      if (trace.maxDuration < (query.minDuration ?? 0)) continue;
      let mayHave = answers.get(trace.filter);
      if (mayHave === undefined) {
        mayHave = trace.filter.mayHave(terms);
        answers.set(trace.filter, mayHave);
      }
      if (mayHave) yield trace;
    }
  }
}
