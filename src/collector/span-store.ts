import type { Span } from "../trace/span.ts";
import { MAX_PARTS, PartDatabase, type PartRow } from "./database.ts";
import { Dictionary } from "./dictionary.ts";
import { HashSet } from "./hash-set.ts";
import { NameCounts } from "./name-counts.ts";
import { SortedTraces } from "./sorted-traces.ts";
import { PartReader, PartWriter } from "./span-codec.ts";
import type { StoreCounts, TraceQuery, TraceStore } from "./store.ts";
import { SPANS_PER_FILTER, TermFilter, termsOf } from "./term-filter.ts";
import { matchesTrace } from "./trace-match.ts";

// SQLite   part   trace number, part ──► spans of one trace from one commit     the truth
//          text   number ──► text that parts name by number                     and what they mean
//
// memory   byId      trace id ──► StoredTrace { number, start, sizes, filter }
//          byStart   StoredTraces by (start, id); start 0 = no timestamp        ◄ evicted from here … found from here ►
//          hashes    one of each span, to know what is there already
//          filters   terms of about 1,000 spans each: which traces a search need not read
//          names     service ──► names of spans, of remote services; autocomplete key ──► values
//
// What is in memory is made again from the rows when a file is opened. It changes after a commit only, so that a
// commit that fails leaves nothing to undo.

export const DEFAULT_MAX_SPANS = 1_000_000;

/** A span of a link takes some 90 bytes. */
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
const DEFAULT_MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024;

/** The most of the room that one trace may take, so that a runaway trace cannot push out all others. */
const MAX_TRACE_SHARE = 0.9;

/** Spans of one commit when many wait: some 20 ms. */
const MAX_COMMIT_SPANS = 4000;

export interface SpanStoreOptions {
  /** A file that is made when there is none; `null` keeps spans in memory. @default null */
  readonly file?: string | null | undefined;
  /** The most spans to keep. @default DEFAULT_MAX_SPANS */
  readonly maxSpans?: number | undefined;
  /** The most bytes of spans to keep, as they are stored. @default 256 MiB, in a file 4 GiB */
  readonly maxBytes?: number | undefined;
  /** How long traces are kept after their start, milliseconds. @default for ever */
  readonly retentionMs?: number | undefined;
  /** Whether two trace ids that differ in the first 16 of 32 digits are different traces. @default true */
  readonly strictTraceId?: boolean | undefined;
  /** Tags whose values can be asked for. */
  readonly autocompleteKeys?: readonly string[] | undefined;
}

interface StoredTrace {
  /** The first id that was seen of it, or its last 16 digits where ids are not strict. */
  readonly id: string;
  readonly number: number;
  readonly filter: TermFilter;
  /** Earliest timestamp of its spans, microseconds since 1970; 0 when none has one. */
  start: number;
  maxDuration: number;
  spans: number;
  bytes: number;
  parts: number;
  /** Copies of its spans that came and were not kept. */
  duplicates: number;
}

/** What a commit adds to a trace. */
interface Addition {
  readonly trace: StoredTrace;
  readonly isNew: boolean;
  readonly spans: Span[];
  bytes: number;
  duplicates: number;
}

interface Waiting {
  readonly spans: readonly Span[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The store of the collector, on SQLite in memory or in a file. */
export class SpanStore implements TraceStore {
  readonly #database: PartDatabase;
  readonly #dictionary = new Dictionary();
  readonly #writer = new PartWriter(this.#dictionary);
  readonly #reader = new PartReader(this.#dictionary);
  readonly #maxSpans: number;
  readonly #maxBytes: number;
  readonly #retentionMs: number;
  readonly #isStrict: boolean;
  readonly #autocompleteKeys: readonly string[];
  readonly #byId = new Map<string, StoredTrace>();
  readonly #byStart = new SortedTraces<StoredTrace>();
  readonly #hashes = new HashSet();
  readonly #spanNames = new NameCounts();
  readonly #services = new NameCounts();
  readonly #remoteServices = new NameCounts();
  readonly #tagValues = new NameCounts();
  #filter = new TermFilter();
  #nextNumber = 0;
  #waiting: Waiting[] = [];
  /** Numbers of traces that are gone here, with rows that the next commit deletes. */
  #evicted: number[] = [];
  #spans = 0;
  #bytes = 0;
  #evictedSpans = 0;
  #refusedSpans = 0;
  #duplicateSpans = 0;

  /** @throws {UserError} `data-busy`, `data-invalid`, `file-unwritable` */
  constructor(options: SpanStoreOptions = {}) {
    const file = options.file ?? null;
    this.#maxSpans = options.maxSpans ?? DEFAULT_MAX_SPANS;
    this.#maxBytes = options.maxBytes ?? (file === null ? DEFAULT_MAX_BYTES : DEFAULT_MAX_FILE_BYTES);
    this.#retentionMs = options.retentionMs ?? Infinity;
    this.#isStrict = options.strictTraceId ?? true;
    this.#autocompleteKeys = options.autocompleteKeys ?? [];
    this.#database = new PartDatabase(file);
    if (file !== null) this.#restore();
  }

  add(spans: readonly Span[]): void {
    this.#commit([spans]);
  }

  addSoon(spans: readonly Span[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ spans, resolve, reject });
      // After what else came in with this turn of the event loop.
      if (this.#waiting.length === 1) setImmediate(() => this.#commitWaiting());
    });
  }

  trace(traceId: string): Span[] | undefined {
    const trace = this.#byId.get(this.#keyOf(traceId));
    return trace && this.#read(trace);
  }

  duplicatesOf(traceId: string): number {
    return this.#byId.get(this.#keyOf(traceId))?.duplicates ?? 0;
  }

  traces(query: TraceQuery): Span[][] {
    const found: Span[][] = [];
    const terms = termsOf(query, this.#dictionary);
    const answers = new Map<TermFilter, boolean>();
    for (const trace of this.#inWindow(query)) {
      if (trace.maxDuration < (query.minDuration ?? 0)) continue;
      if (!this.#mayHave(trace.filter, terms, answers)) continue;
      const spans = this.#read(trace);
      if (matchesTrace(spans, query)) found.push(spans);
      if (found.length >= query.limit) break;
    }
    return found;
  }

  *eachTrace(query: Pick<TraceQuery, "endTs" | "lookback">): Generator<Span[]> {
    const groups = Map.groupBy(this.#inWindow(query), (trace) => trace.id.slice(-16));
    for (const traces of groups.values()) {
      const left = traces.filter((trace) => this.#byId.get(trace.id) === trace);
      if (left.length > 0) yield left.flatMap((trace) => this.#read(trace));
    }
  }

  *traceIds(): Generator<{ readonly id: string; readonly spans: number }> {
    yield* this.#byId.values();
  }

  services(): string[] {
    return this.#services.keys();
  }

  spanNames(serviceName: string): string[] {
    return this.#spanNames.names(serviceName);
  }

  remoteServices(serviceName: string): string[] {
    return this.#remoteServices.names(serviceName);
  }

  tagValues(key: string): string[] {
    return this.#tagValues.names(key);
  }

  counts(): StoreCounts {
    return {
      traces: this.#byId.size,
      spans: this.#spans,
      evictedSpans: this.#evictedSpans,
      refusedSpans: this.#refusedSpans,
      duplicateSpans: this.#duplicateSpans,
    };
  }

  /** Lets go of what is older than the retention; `add` does so, too. */
  expire(): void {
    this.#evict();
  }

  close(): void {
    while (this.#waiting.length > 0) this.#commitWaiting();
    if (this.#evicted.length > 0) this.#database.commit({ texts: [], parts: [], evicted: this.#evicted });
    this.#database.close();
  }

  #commitWaiting(): void {
    const batches: Waiting[] = [];
    let spans = 0;
    while (this.#waiting.length > batches.length && spans < MAX_COMMIT_SPANS) {
      const next = this.#waiting[batches.length] as Waiting;
      batches.push(next);
      spans += next.spans.length;
    }
    this.#waiting = this.#waiting.slice(batches.length);
    if (batches.length === 0) return;
    if (this.#waiting.length > 0) setImmediate(() => this.#commitWaiting());
    try {
      this.#commit(batches.map((batch) => batch.spans));
      for (const { resolve } of batches) resolve();
    } catch (error) {
      for (const { reject } of batches) reject(error);
    }
  }

  #commit(batches: readonly (readonly Span[])[]): void {
    const additions = this.#group(batches);
    const before = { refused: this.#refusedSpans, duplicates: this.#duplicateSpans };
    const hashes: number[] = [];
    const parts: PartRow[] = [];
    for (const addition of additions) {
      const part = this.#encode(addition, hashes);
      if (part !== undefined) parts.push(part);
    }
    try {
      if (parts.length > 0)
        this.#database.commit({ texts: this.#dictionary.unsaved(), parts, evicted: this.#evicted });
    } catch (error) {
      for (let index = 0; index < hashes.length; index += 2)
        this.#hashes.delete(hashes[index] as number, hashes[index + 1] as number);
      this.#refusedSpans = before.refused;
      this.#duplicateSpans = before.duplicates;
      throw error;
    }
    for (const { trace, duplicates } of additions) trace.duplicates += duplicates;
    if (parts.length === 0) return;
    this.#dictionary.markSaved();
    this.#evicted = [];
    for (const addition of additions) if (addition.spans.length > 0) this.#apply(addition);
    this.#evict();
  }

  /** The spans of each trace. */
  #group(batches: readonly (readonly Span[])[]): Addition[] {
    const byKey = new Map<string, Addition>();
    let last: Addition | undefined;
    let lastId = "";
    for (const spans of batches) {
      for (const span of spans) {
        if (last === undefined || span.traceId !== lastId) {
          lastId = span.traceId;
          const key = this.#keyOf(lastId);
          last = byKey.get(key);
          if (last === undefined) {
            const trace = this.#byId.get(key);
            const isNew = trace === undefined;
            last = { trace: trace ?? this.#newTrace(key), isNew, spans: [], bytes: 0, duplicates: 0 };
            byKey.set(key, last);
          }
        }
        last.spans.push(span);
      }
    }
    return [...byKey.values()];
  }

  /** Writes the spans that are new and leaves only those in the addition; `undefined` when none is. */
  #encode(addition: Addition, hashes: number[]): PartRow | undefined {
    const { trace, spans } = addition;
    const writer = this.#writer;
    const [maxSpans, maxBytes] = [this.#maxSpans * MAX_TRACE_SHARE, this.#maxBytes * MAX_TRACE_SHARE];
    writer.begin((spans[0] as Span).traceId);
    const headerBytes = writer.size;
    let kept = 0;
    for (const span of spans) {
      const size = writer.size;
      writer.add(span, trace.filter);
      if (!this.#hashes.add(writer.high, writer.low)) {
        this.#duplicateSpans++;
        addition.duplicates++;
        writer.truncate(size);
      } else if (
        trace.spans + kept >= Math.ceil(maxSpans) ||
        trace.bytes + writer.size > maxBytes ||
        trace.parts >= MAX_PARTS
      ) {
        this.#refusedSpans++;
        this.#hashes.delete(writer.high, writer.low);
        writer.truncate(size);
      } else {
        hashes.push(writer.high, writer.low);
        spans[kept++] = span;
      }
    }
    spans.length = kept;
    addition.bytes = writer.size;
    if (writer.size === headerBytes) return undefined;
    return { id: trace.number * MAX_PARTS + trace.parts, spans: writer.finish() };
  }

  #apply({ trace, isNew, spans, bytes }: Addition): void {
    let start = trace.start;
    for (const span of spans) {
      this.#indexNames(span);
      const { timestamp = 0, duration = 0 } = span;
      if (timestamp > 0 && (start === 0 || timestamp < start)) start = timestamp;
      if (duration > trace.maxDuration) trace.maxDuration = duration;
    }
    if (!isNew && start !== trace.start) this.#byStart.remove(trace);
    if (isNew) this.#byId.set(trace.id, trace);
    if (isNew || start !== trace.start) {
      trace.start = start;
      this.#byStart.add(trace);
    }
    trace.spans += spans.length;
    trace.bytes += bytes;
    trace.parts++;
    this.#spans += spans.length;
    this.#bytes += bytes;
  }

  #evict(): void {
    const oldest = (Date.now() - this.#retentionMs) * 1000;
    for (;;) {
      const trace = this.#byStart.first();
      if (trace === undefined) return;
      const isTooMuch = this.#spans > this.#maxSpans || this.#bytes > this.#maxBytes;
      if (!isTooMuch && !(trace.start < oldest && trace.start > 0)) return;
      this.#forget(trace);
    }
  }

  #forget(trace: StoredTrace): void {
    const reader = new PartReader(this.#dictionary, (high, low) => this.#hashes.delete(high, low));
    const spans: Span[] = [];
    for (const part of this.#database.partsOf(trace.number)) reader.readInto(spans, part);
    for (const span of spans) this.#unindexNames(span);
    this.#byStart.remove(trace);
    this.#byId.delete(trace.id);
    this.#spans -= trace.spans;
    this.#bytes -= trace.bytes;
    this.#evictedSpans += trace.spans;
    this.#evicted.push(trace.number);
  }

  #newTrace(id: string): StoredTrace {
    if (this.#filter.spans >= SPANS_PER_FILTER) this.#filter = new TermFilter();
    const number = this.#nextNumber++;
    return {
      id,
      number,
      filter: this.#filter,
      start: 0,
      maxDuration: 0,
      spans: 0,
      bytes: 0,
      parts: 0,
      duplicates: 0,
    };
  }

  #keyOf(traceId: string): string {
    return this.#isStrict ? traceId : traceId.slice(-16);
  }

  #read(trace: StoredTrace): Span[] {
    const spans: Span[] = [];
    for (const part of this.#database.partsOf(trace.number)) this.#reader.readInto(spans, part);
    return spans;
  }

  #inWindow({ endTs, lookback }: Pick<TraceQuery, "endTs" | "lookback">): Iterable<StoredTrace> {
    return this.#byStart.newestFirst(Math.max((endTs - lookback) * 1000, 1), endTs * 1000);
  }

  #mayHave(filter: TermFilter, terms: readonly number[], answers: Map<TermFilter, boolean>): boolean {
    let answer = answers.get(filter);
    if (answer === undefined) {
      answer = filter.mayHave(terms);
      answers.set(filter, answer);
    }
    return answer;
  }

  #indexNames({ localEndpoint, remoteEndpoint, name, tags }: Span): void {
    const service = localEndpoint?.serviceName;
    if (service !== undefined) {
      this.#services.add(service, "");
      if (name !== undefined) this.#spanNames.add(service, name);
      if (remoteEndpoint?.serviceName !== undefined)
        this.#remoteServices.add(service, remoteEndpoint.serviceName);
    }
    for (const key of this.#autocompleteKeys)
      if (tags !== undefined && Object.hasOwn(tags, key)) this.#tagValues.add(key, tags[key] as string);
  }

  #unindexNames({ localEndpoint, remoteEndpoint, name, tags }: Span): void {
    const service = localEndpoint?.serviceName;
    if (service !== undefined) {
      this.#services.remove(service, "");
      if (name !== undefined) this.#spanNames.remove(service, name);
      if (remoteEndpoint?.serviceName !== undefined)
        this.#remoteServices.remove(service, remoteEndpoint.serviceName);
    }
    for (const key of this.#autocompleteKeys)
      if (tags !== undefined && Object.hasOwn(tags, key)) this.#tagValues.remove(key, tags[key] as string);
  }

  /** Makes what is in memory from the rows of a file. */
  #restore(): void {
    for (const { number, value } of this.#database.texts()) this.#dictionary.restore(number, value);
    const moved: { readonly from: number; readonly to: number }[] = [];
    for (const { id, spans: part } of this.#database.parts()) {
      const spans: Span[] = [];
      this.#reader.readInto(spans, part);
      const key = this.#keyOf((spans[0] as Span).traceId);
      const known = this.#byId.get(key);
      this.#nextNumber = Math.floor(id / MAX_PARTS);
      const trace = known ?? this.#newTrace(key);
      // Two traces of a file that was written with strict ids are one when ids are not.
      const wanted = trace.number * MAX_PARTS + trace.parts;
      if (wanted !== id) moved.push({ from: id, to: wanted });
      // Rewritten for its terms and its hashes only.
      this.#writer.begin((spans[0] as Span).traceId);
      for (const span of spans) {
        this.#writer.add(span, trace.filter);
        this.#hashes.add(this.#writer.high, this.#writer.low);
      }
      this.#apply({ trace, isNew: known === undefined, spans, bytes: part.length, duplicates: 0 });
      this.#nextNumber++;
    }
    this.#database.move(moved);
    this.#evict();
  }
}
