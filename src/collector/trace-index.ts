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
  /** The next with the same last 16 digits, where ids are strict. */
  twin: StoredTrace | undefined;
  /**
   * Timestamp of its root (of several the first that came), or of its earliest span as long as there is none; 0 when no span has
   * one. Microseconds since 1970, as in all times here.
   */
  start: number;
  hasRoot: boolean;
  /** Timestamps of its earliest and its latest span, 0 when none has one. */
  earliest: number;
  latest: number;
  maxDuration: number;
  spans: number;
  bytes: number;
  /** Copies of its spans that came and were not kept. */
  duplicates: number;
}

/** A clock that is off by the length of the trace, to either side, is the most that a correction makes longer. */
const MAX_STRETCH = 3;

type Window = Pick<TraceQuery, "endTs" | "lookback">;

/** All traces: by id, and by start, where one end is evicted from and the other found from. */
export class TraceIndex {
  spans = 0;
  bytes = 0;
  readonly #isStrict: boolean;
  readonly #byId = new Map<string, StoredTrace>();
  /**
   * By the last 16 digits of the id, the first of those that have them. Made when it is first needed: to cut ids for it takes 2 % of
   * what it takes to store spans, and only dependencies need it.
   */
  #byLowId: Map<string, StoredTrace> | null = null;
  readonly #byStart = new SortedTraces<StoredTrace>();
  /** How far any trace reaches before and after its start. */
  #longestBefore = 0;
  #longestAfter = 0;
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

  /** A trace that is in the index as soon as it has spans. */
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

  /** The first to make room: one without timestamps, or else the one that started first. */
  oldest(): StoredTrace | undefined {
    return this.#byStart.first();
  }

  /** Those that started in a window, newest first. Change nothing meanwhile. */
  inWindow({ endTs, lookback }: Window): Iterable<StoredTrace> {
    return this.#byStart.newestFirst(Math.max((endTs - lookback) * 1000, 1), endTs * 1000);
  }

  /**
   * Those of which a span may have started in a window, newest first; {@link touches} tells. In milliseconds, as Zipkin's linker
   * looks at them. Change nothing meanwhile.
   */
  *touchingWindow({ endTs, lookback }: Window): Generator<StoredTrace> {
    const from = (endTs - lookback) * 1000;
    const to = endTs * 1000 + 999;
    for (const trace of this.#byStart.newestFirst(from - this.#longestAfter, to + this.#longestBefore))
      if (trace.latest >= from && trace.earliest <= to) yield trace;
  }

  /** All that have the last 16 digits of an id. */
  twinsOf(id: string): StoredTrace[] {
    if (this.#byLowId === null) {
      this.#byLowId = new Map();
      for (const trace of this.#byId.values()) link(this.#byLowId, trace);
    }
    const first = this.#byLowId.get(lowIdOf(id));
    return first === undefined ? [] : [...withTwins(first)];
  }

  /** Those in the window of a query that may be what it asks for, newest first; most that are not are left out. */
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
