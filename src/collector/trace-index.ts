import type { Span } from "../trace/span.ts";
import { SortedTraces } from "./sorted-traces.ts";
import type { TraceQuery } from "./store.ts";
import { SPANS_PER_FILTER, TermFilter } from "./term-filter.ts";

/** What the index knows about a trace without reading its spans. */
export interface StoredTrace {
  /** The trace's first seen id, or its last 16 digits if ids are not strict. */
  readonly id: string;
  readonly filter: TermFilter;
  /** Numbers of its parts. */
  readonly parts: number[];
  /** The next trace with the same last 16 digits, if ids are strict. */
  twin: StoredTrace | undefined;
  /**
   * Timestamp of its root (of several the first that came), or of its earliest span as long as there is none; 0 when no
   * span has one. Microseconds since 1970, as in all times here.
   */
  start: number;
  hasRoot: boolean;
  /** Timestamps of its earliest and its latest span, 0 when none has one. */
  earliest: number;
  latest: number;
  maxDuration: number;
  spans: number;
  bytes: number;
  /** Number of discarded duplicates of its spans. */
  duplicates: number;
}

/** Clock correction lengthens a trace at most by its own length on either side. */
const MAX_STRETCH = 3;

type Window = Pick<TraceQuery, "endTs" | "lookback">;

/** All traces, by id and by start. Eviction takes from one end of the start order, searches begin at the other. */
export class TraceIndex {
  spans = 0;
  bytes = 0;
  readonly #isStrict: boolean;
  readonly #byId = new Map<string, StoredTrace>();
  /**
   * By the last 16 digits of the id, the first of those that have them. Made when it is first needed: to cut ids for it
   * takes 2 % of what it takes to store spans, and only dependencies need it.
   */
  #byLowId: Map<string, StoredTrace> | null = null;
  readonly #byStart = new SortedTraces<StoredTrace>();
  /** The longest reach of any trace before and after its start. */
  #longestBefore = 0;
  #longestAfter = 0;
  /** The filter of new traces. */
  #filter = new TermFilter();

  /** @param isStrict whether ids of 16 and 32 digits that end alike are different traces */
  constructor(isStrict: boolean) {
    this.#isStrict = isStrict;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Returns the map key, which is the same for all ids of a trace. */
  keyOf(traceId: string): string {
    return this.#isStrict ? traceId : lowIdOf(traceId);
  }

  get(key: string): StoredTrace | undefined {
    return this.#byId.get(key);
  }

  find(traceId: string): StoredTrace | undefined {
    return this.get(this.keyOf(traceId));
  }

  values(): Iterable<StoredTrace> {
    return this.#byId.values();
  }

  /** Returns the trace, which enters the index once it has spans. */
  draft(key: string): StoredTrace {
    if (this.#filter.spans >= SPANS_PER_FILTER) this.#filter = new TermFilter();
    return {
      id: key,
      filter: this.#filter,
      parts: [],
      twin: undefined,
      start: 0,
      hasRoot: false,
      earliest: 0,
      latest: 0,
      maxDuration: 0,
      spans: 0,
      bytes: 0,
      duplicates: 0,
    };
  }

  addPart(trace: StoredTrace, part: number, bytes: number, spans: readonly Span[]): void {
    const isNew = trace.parts.length === 0;
    const before = trace.start;
    for (const span of spans) widen(trace, span);
    if (isNew) this.#append(trace);
    else if (trace.start !== before) this.#move(trace, before);
    this.#longestBefore = Math.max(this.#longestBefore, trace.start - trace.earliest);
    this.#longestAfter = Math.max(this.#longestAfter, trace.latest - trace.start);
    trace.parts.push(part);
    trace.spans += spans.length;
    trace.bytes += bytes;
    this.spans += spans.length;
    this.bytes += bytes;
  }

  remove(trace: StoredTrace): void {
    this.#byStart.remove(trace);
    this.#byId.delete(trace.id);
    if (this.#byLowId !== null) unlink(this.#byLowId, trace);
    this.spans -= trace.spans;
    this.bytes -= trace.bytes;
  }

  /** The next trace to evict: one without timestamps, or else the one that started first. */
  oldest(): StoredTrace | undefined {
    return this.#byStart.first();
  }

  /** Iterates over the traces that started in a window, newest first. Do not modify the index meanwhile. */
  inWindow({ endTs, lookback }: Window): Iterable<StoredTrace> {
    return this.#byStart.newestFirst(Math.max((endTs - lookback) * 1000, 1), endTs * 1000);
  }

  /**
   * Those of which a span may have started in a window, newest first; {@link touches} tells. In milliseconds, as
   * Zipkin's linker compares them. Do not modify the index meanwhile.
   */
  *touchingWindow({ endTs, lookback }: Window): Generator<StoredTrace> {
    const from = (endTs - lookback) * 1000;
    const to = endTs * 1000 + 999;
    for (const trace of this.#byStart.newestFirst(from - this.#longestAfter, to + this.#longestBefore))
      if (trace.latest >= from && trace.earliest <= to) yield trace;
  }

  /** All traces with the last 16 digits of an id. */
  twinsOf(id: string): StoredTrace[] {
    if (this.#byLowId === null) {
      this.#byLowId = new Map();
      for (const trace of this.#byId.values()) link(this.#byLowId, trace);
    }
    const first = this.#byLowId.get(lowIdOf(id));
    return first === undefined ? [] : [...withTwins(first)];
  }

  /** Iterates over the traces in a query's window that may match, newest first. Most non-matches are left out. */
  *candidates(query: TraceQuery, terms: readonly number[]): Generator<StoredTrace> {
    const answers = new Map<TermFilter, boolean>();
    for (const trace of this.inWindow(query)) {
      if (trace.maxDuration < (query.minDuration ?? 0)) continue;
      const extent = trace.latest + trace.maxDuration - trace.earliest;
      if (extent * MAX_STRETCH < (query.minTraceDuration ?? 0)) continue;
      let mayHave = answers.get(trace.filter);
      if (mayHave === undefined) {
        mayHave = trace.filter.mayHave(terms);
        answers.set(trace.filter, mayHave);
      }
      if (mayHave) yield trace;
    }
  }

  #append(trace: StoredTrace): void {
    this.#byId.set(trace.id, trace);
    if (this.#byLowId !== null) link(this.#byLowId, trace);
    this.#byStart.add(trace);
  }

  /** @param before its start as it is sorted by */
  #move(trace: StoredTrace, before: number): void {
    const { start } = trace;
    trace.start = before;
    this.#byStart.remove(trace);
    trace.start = start;
    this.#byStart.add(trace);
  }
}

function link(byLowId: Map<string, StoredTrace>, trace: StoredTrace): void {
  const lowId = lowIdOf(trace.id);
  trace.twin = byLowId.get(lowId);
  byLowId.set(lowId, trace);
}

function unlink(byLowId: Map<string, StoredTrace>, trace: StoredTrace): void {
  const lowId = lowIdOf(trace.id);
  const first = byLowId.get(lowId);
  if (first === trace) {
    if (trace.twin === undefined) byLowId.delete(lowId);
    else byLowId.set(lowId, trace.twin);
    return;
  }
  for (let other = first; other !== undefined; other = other.twin)
    if (other.twin === trace) other.twin = trace.twin;
}

/** Whether a span of a list started in a window. */
export function touches(spans: readonly Span[], { endTs, lookback }: Window): boolean {
  return spans.some(({ timestamp = 0 }) => {
    const ms = Math.floor(timestamp / 1000);
    return ms >= endTs - lookback && ms <= endTs;
  });
}

function widen(trace: StoredTrace, { timestamp = 0, duration = 0, parentId }: Span): void {
  if (duration > trace.maxDuration) trace.maxDuration = duration;
  if (timestamp === 0) return;
  if (trace.earliest === 0 || timestamp < trace.earliest) trace.earliest = timestamp;
  if (timestamp > trace.latest) trace.latest = timestamp;
  if (trace.hasRoot) return;
  trace.hasRoot = parentId === undefined;
  trace.start = trace.hasRoot ? timestamp : trace.earliest;
}

function lowIdOf(id: string): string {
  return id.length === 16 ? id : id.slice(-16);
}

function* withTwins(first: StoredTrace): Generator<StoredTrace> {
  for (let trace: StoredTrace | undefined = first; trace !== undefined; trace = trace.twin) yield trace;
}
