import type { StoreCounts } from "../contract/collector-counts.ts";
import type { Span } from "../trace/span.ts";
import { CommitQueue } from "./commit-queue.ts";
import { PartDatabase } from "./database.ts";
import { Dictionary } from "./dictionary.ts";
import { HashSet } from "./hash-set.ts";
import { PartReader } from "./part-reader.ts";
import { PartWriter } from "./part-writer.ts";
import { SpanNames } from "./span-names.ts";
import type { TraceQuery, TraceStore } from "./store.ts";
import { termsOf } from "./term-filter.ts";
import { type StoredTrace, TraceIndex, touches } from "./trace-index.ts";
import { matchesTrace } from "./trace-match.ts";

// SQLite   part   number ──► spans of one trace from one commit                 the truth
//          text   number ──► text that parts name by number                     and what they mean
//
// memory   index     trace id ──► StoredTrace { parts, start, sizes, filter }, also by start
//          hashes    one of each span, to know what is there already
//          names     service ──► names of spans, of remote services; autocomplete key ──► values
//
// The memory part is rebuilt from the rows when a file is opened. It changes only after a commit, so that a
// failed commit leaves nothing to undo.

const DEFAULT_MAX_SPANS = 1_000_000;

/** A link's span takes about 90 bytes. */
const DEFAULT_MAX_BYTES = 256 * 1024 * 1024;
const DEFAULT_MAX_FILE_BYTES = 4 * 1024 * 1024 * 1024;

/** Maximum share of the limits that one trace may take, so that a runaway trace cannot evict all others. */
const MAX_TRACE_SHARE = 0.9;

export interface SpanStoreOptions {
  /** Database file, created if missing; `null` keeps spans in memory. @default null */
  readonly file?: string | null | undefined;
  /** Maximum number of spans. @default DEFAULT_MAX_SPANS */
  readonly maxSpans?: number | undefined;
  /** Maximum bytes of stored spans. @default 256 MiB, in a file 4 GiB */
  readonly maxBytes?: number | undefined;
  /** How long traces are kept after their start, milliseconds. @default for ever */
  readonly retentionMs?: number | undefined;
  /** Whether two trace ids that differ in the first 16 of 32 digits are different traces. @default true */
  readonly strictTraceId?: boolean | undefined;
  /** Tags whose values can be queried. */
  readonly autocompleteKeys?: readonly string[] | undefined;
}

/** The spans that a commit adds to a trace. */
interface Addition {
  readonly trace: StoredTrace;
  /** After writing, only the new spans. */
  readonly spans: Span[];
  /** Offset of the written part. */
  start: number;
  end: number;
  duplicates: number;
}

/** The collector's store, in a SQLite database in memory or in a file. */
export class SpanStore implements TraceStore {
  readonly #database: PartDatabase;
  readonly #dictionary = new Dictionary();
  readonly #writer = new PartWriter(this.#dictionary);
  readonly #reader = new PartReader(this.#dictionary);
  readonly #queue = new CommitQueue((batches) => this.#commit(batches));
  readonly #maxSpans: number;
  readonly #maxBytes: number;
  readonly #retentionMs: number;
  readonly #index: TraceIndex;
  readonly #hashes = new HashSet();
  readonly #names: SpanNames;
  #nextPart = 0;
  /** Parts of evicted traces, whose rows the next commit deletes. */
  #evicted: number[] = [];
  #evictedSpans = 0;
  #refusedSpans = 0;
  #duplicateSpans = 0;

  /** @throws {UserError} `data-busy`, `data-invalid`, `file-unwritable` */
  constructor(options: SpanStoreOptions = {}) {
    const file = options.file ?? null;
    this.#maxSpans = options.maxSpans ?? DEFAULT_MAX_SPANS;
    this.#maxBytes = options.maxBytes ?? (file === null ? DEFAULT_MAX_BYTES : DEFAULT_MAX_FILE_BYTES);
    this.#retentionMs = options.retentionMs ?? Infinity;
    this.#index = new TraceIndex(options.strictTraceId ?? true);
    this.#names = new SpanNames(options.autocompleteKeys ?? []);
    this.#database = new PartDatabase(file);
    if (file !== null) this.#restore();
  }

  add(spans: readonly Span[]): void {
    this.#commit([spans]);
  }

  addSoon(spans: readonly Span[]): Promise<void> {
    return this.#queue.add(spans);
  }

  trace(traceId: string): Span[] | undefined {
    const trace = this.#index.find(traceId);
    return trace && this.#read(trace);
  }

  duplicatesOf(traceId: string): number {
    return this.#index.find(traceId)?.duplicates ?? 0;
  }

  traces(query: TraceQuery): Span[][] {
    const found: Span[][] = [];
    for (const trace of this.#index.candidates(query, termsOf(query, this.#dictionary))) {
      const spans = this.#read(trace);
      if (matchesTrace(spans, query)) found.push(spans);
      if (found.length >= query.limit) break;
    }
    return found;
  }

  *eachTrace(query: Pick<TraceQuery, "endTs" | "lookback">): Generator<Span[]> {
    const seen = new Set<string>();
    // The list is copied, because spans are added and evicted meanwhile.
    for (const { id } of [...this.#index.touchingWindow(query)]) {
      const twins = this.#index.twinsOf(id);
      const lowId = id.slice(-16);
      if (seen.has(lowId)) continue;
      if (twins.length > 1) seen.add(lowId);
      const spans = twins.flatMap((trace) => this.#read(trace));
      if (touches(spans, query)) yield spans;
    }
  }

  *traceIds(): Generator<{ readonly id: string; readonly spans: number }> {
    yield* this.#index.values();
  }

  services(): string[] {
    return this.#names.services();
  }

  spanNames(serviceName: string): string[] {
    return this.#names.spanNames(serviceName);
  }

  remoteServices(serviceName: string): string[] {
    return this.#names.remoteServices(serviceName);
  }

  tagValues(key: string): string[] {
    return this.#names.tagValues(key);
  }

  counts(): StoreCounts {
    return {
      traces: this.#index.size,
      spans: this.#index.spans,
      evictedSpans: this.#evictedSpans,
      refusedSpans: this.#refusedSpans,
      duplicateSpans: this.#duplicateSpans,
    };
  }

  /** Evicts traces older than the retention, as `add` does. */
  expire(): void {
    this.#evict();
  }

  close(): void {
    this.#queue.flush();
    if (this.#evicted.length > 0) this.#database.commit({ texts: [], parts: [], evicted: this.#evicted });
    this.#database.close();
  }

  #commit(batches: readonly (readonly Span[])[]): void {
    const additions = this.#group(batches);
    const before = { refused: this.#refusedSpans, duplicates: this.#duplicateSpans };
    const hashes: number[] = [];
    this.#writer.reset();
    for (const addition of additions) this.#write(addition, hashes);
    const grown = additions.filter(({ spans }) => spans.length > 0);
    // Slices are cut after everything is written, because the writer's buffer may have been reallocated.
    const parts = grown.map(({ start, end }, index) => ({
      id: this.#nextPart + index,
      spans: this.#writer.slice(start, end),
    }));
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
    for (const { trace, spans, start, end } of grown) {
      this.#index.addPart(trace, this.#nextPart++, end - start, spans);
      for (const span of spans) this.#names.add(span);
    }
    this.#evict();
  }

  /**
   * Groups spans by trace id. If ids are not strict, several ids may belong to one trace, and each span keeps its own.
   */
  #group(batches: readonly (readonly Span[])[]): Addition[] {
    const byId = new Map<string, Addition>();
    const drafts = new Map<string, StoredTrace>();
    let last: Addition | undefined;
    let lastId = "";
    for (const spans of batches) {
      for (const span of spans) {
        if (last === undefined || span.traceId !== lastId) {
          lastId = span.traceId;
          last = byId.get(lastId);
          if (last === undefined) {
            const key = this.#index.keyOf(lastId);
            const trace = this.#index.get(key) ?? drafts.get(key) ?? this.#index.draft(key);
            drafts.set(key, trace);
            last = { trace, spans: [], start: 0, end: 0, duplicates: 0 };
            byId.set(lastId, last);
          }
        }
        last.spans.push(span);
      }
    }
    return [...byId.values()];
  }

  /** Writes the new spans and removes the others from the addition. */
  #write(addition: Addition, hashes: number[]): void {
    const { trace, spans } = addition;
    const writer = this.#writer;
    const maxSpans = Math.ceil(this.#maxSpans * MAX_TRACE_SHARE);
    const maxBytes = this.#maxBytes * MAX_TRACE_SHARE;
    addition.start = writer.end;
    writer.begin((spans[0] as Span).traceId);
    let kept = 0;
    for (const span of spans) {
      const { end } = writer;
      writer.add(span, trace.filter);
      if (!this.#hashes.add(writer.high, writer.low)) {
        this.#duplicateSpans++;
        addition.duplicates++;
        writer.truncate(end);
      } else if (trace.spans + kept >= maxSpans || trace.bytes + writer.end - addition.start > maxBytes) {
        this.#refusedSpans++;
        this.#hashes.delete(writer.high, writer.low);
        writer.truncate(end);
      } else {
        hashes.push(writer.high, writer.low);
        spans[kept++] = span;
      }
    }
    spans.length = kept;
    if (kept === 0) writer.truncate(addition.start);
    addition.end = writer.end;
  }

  #evict(): void {
    const expired = (Date.now() - this.#retentionMs) * 1000;
    for (;;) {
      const trace = this.#index.oldest();
      if (trace === undefined) return;
      const isTooMuch = this.#index.spans > this.#maxSpans || this.#index.bytes > this.#maxBytes;
      if (!isTooMuch && !(trace.start < expired && trace.start > 0)) return;
      this.#forget(trace);
    }
  }

  #forget(trace: StoredTrace): void {
    const reader = new PartReader(this.#dictionary, (high, low) => this.#hashes.delete(high, low));
    for (const span of this.#read(trace, reader)) this.#names.remove(span);
    this.#index.remove(trace);
    this.#evictedSpans += trace.spans;
    for (const part of trace.parts) this.#evicted.push(part);
  }

  #read(trace: StoredTrace, reader = this.#reader): Span[] {
    const spans: Span[] = [];
    for (const part of trace.parts) reader.readInto(spans, this.#database.part(part));
    return spans;
  }

  /** Rebuilds the memory part from the rows of a file. */
  #restore(): void {
    for (const { number, value } of this.#database.texts()) this.#dictionary.restore(number, value);
    const reader = new PartReader(this.#dictionary, (high, low) => this.#hashes.add(high, low));
    for (const { id, spans: part } of this.#database.parts()) {
      const spans: Span[] = [];
      reader.readInto(spans, part);
      const { traceId } = spans[0] as Span;
      const key = this.#index.keyOf(traceId);
      const trace = this.#index.get(key) ?? this.#index.draft(key);
      // The span is encoded again only to collect its terms.
      this.#writer.reset();
      this.#writer.begin(traceId);
      for (const span of spans) {
        this.#writer.add(span, trace.filter);
        this.#names.add(span);
      }
      this.#index.addPart(trace, id, part.length, spans);
      this.#nextPart = id + 1;
    }
    this.#evict();
  }
}
