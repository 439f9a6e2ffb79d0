import type { Span } from "../trace/span.ts";

/**
 * Where the collector keeps its traces. This is THE interface between the HTTP API and whatever stores:
 * every store passes the contract suite in `test/collector/store-contract.ts`.
 *
 * - Synchronous: when `add` returns, the spans are found by every query. That is what a 202 promises.
 * - Bounded: the oldest whole traces go first, and every span that was ever added is in exactly one of the
 *   `StoreCounts`.
 * - Spans are normalised as by `decodeZipkinJson`. Two with the same JSON are one span.
 */
export interface TraceStore {
  add(spans: readonly Span[]): void;
  /** All spans of a trace, in no particular order; undefined when it has none. `traceId` is normalised. */
  trace(traceId: string): Span[] | undefined;
  /** Newest first, by the earliest timestamp of each trace. A trace without any timestamp is never among them. */
  traces(query: TraceQuery): Span[][];
  /** Names of local endpoints, sorted. */
  services(): string[];
  /** Sorted; empty for an unknown service. `serviceName` is in lower case. */
  spanNames(serviceName: string): string[];
  counts(): StoreCounts;
}

/** Which traces to list. Names are in lower case. */
export interface TraceQuery {
  /** A span of the trace has this local service. */
  readonly serviceName?: string;
  /** A span of the trace, of `serviceName` if that is given, has this name. */
  readonly spanName?: string;
  /** The trace started at or before this time, milliseconds since 1970. */
  readonly endTs: number;
  /** The trace started at most so many milliseconds before `endTs`. */
  readonly lookback: number;
  /** The most traces to answer with, at least 1. */
  readonly limit: number;
}

/** Where each span went that was ever added: it adds up to `spans` + the three others. */
export interface StoreCounts {
  /** Traces in the store now. */
  readonly traces: number;
  /** Spans in the store now. */
  readonly spans: number;
  /** Spans that left with the oldest traces to make room. */
  readonly evictedSpans: number;
  /** Spans that were not taken because their trace alone had filled the store. */
  readonly refusedSpans: number;
  /** Spans that were there already, equal in every field. */
  readonly duplicateSpans: number;
}
