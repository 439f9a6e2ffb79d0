import type { StoreCounts } from "../contract/collector-counts.ts";
import type { Span } from "../trace/span.ts";

/**
 * Where the collector keeps its traces. This is THE interface between the HTTP API and whatever stores:
 * every store passes the contract suite in `test/collector/store-contract.ts`.
 *
 * - When `add` returns, or the promise of `addSoon` is fulfilled, the spans are found by every query, also after the
 *   process was killed if the store is a file. That is what a 202 promises.
 * - Bounded: the oldest whole traces go first, and every span that was ever added is in exactly one of the
 *   `StoreCounts`.
 * - Spans are normalized as by `decodeZipkinJson`. Two with the same JSON, but for the order of tags, are one span.
 */
export interface TraceStore {
  /** @throws {StoreFullError} and none is stored then */
  add(spans: readonly Span[]): void;
  /** Like `add`, in one commit with other additions of the same event-loop turn. */
  addSoon(spans: readonly Span[]): Promise<void>;
  /** All spans of a trace, in no particular order; undefined for an unknown trace. `traceId` is normalized. */
  trace(traceId: string): Span[] | undefined;
  /**
   * Newest first, by the timestamp of each trace's root, or of its earliest span where the root is missing. A trace
   * without any timestamp is never among them.
   */
  traces(query: TraceQuery): Span[][];
  /** Number of duplicate spans of the trace that were discarded since the store was opened. */
  duplicatesOf(traceId: string): number;
  /**
   * One by one, without a limit, the traces of which any span started in the window, traces with the same last 16
   * digits as one. The store may change meanwhile.
   */
  eachTrace(query: Pick<TraceQuery, "endTs" | "lookback">): Iterable<Span[]>;
  /** Ids of all traces, with the number of their spans. */
  traceIds(): Iterable<{ readonly id: string; readonly spans: number }>;
  /** Names of local endpoints, sorted. */
  services(): string[];
  /** Sorted; empty for an unknown service. `serviceName` is in lower case. */
  spanNames(serviceName: string): string[];
  /** Names of remote endpoints that spans of the service have, sorted. */
  remoteServices(serviceName: string): string[];
  /** Values of a tag, sorted; none for a key that the store was not asked to keep them of. */
  tagValues(key: string): string[];
  counts(): StoreCounts;
  close(): void;
}

/** Which traces to list. Names are in lower case. Where a service is given, all else has to be of its spans. */
export interface TraceQuery {
  /** A span of the trace has this local service. */
  readonly serviceName?: string;
  /** A span of the trace has this name. */
  readonly spanName?: string;
  /** A span of the trace has this remote service. */
  readonly remoteServiceName?: string;
  /**
   * Tags by key; an empty value stands for any value, or for an annotation that is the key. Each must be in some span.
   */
  readonly annotationQuery?: ReadonlyMap<string, string>;
  /** Minimum duration of a span, microseconds. */
  readonly minDuration?: number;
  /** Maximum duration of that same span; only with `minDuration`. */
  readonly maxDuration?: number;
  /** The trace takes at least this long, with clocks corrected, microseconds. */
  readonly minTraceDuration?: number;
  /** The trace takes at most this long, with clocks corrected, microseconds. */
  readonly maxTraceDuration?: number;
  /** The time now, microseconds since 1970: leaves out traces whose root span may still arrive. */
  readonly rootAwaitedAt?: number;
  /** The trace started at or before this time, milliseconds since 1970. */
  readonly endTs: number;
  /** The trace started at most this many milliseconds before `endTs`. */
  readonly lookback: number;
  /** Maximum traces in the answer, at least 1. */
  readonly limit: number;
}
