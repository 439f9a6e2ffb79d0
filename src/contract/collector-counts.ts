/** The fate of every span ever added. `spans` and the three counters below add up to their number. */
export interface StoreCounts {
  /** Traces in the store now. */
  readonly traces: number;
  /** Spans in the store now. */
  readonly spans: number;
  /** Spans of the oldest traces, evicted to make room. */
  readonly evictedSpans: number;
  /** Spans rejected because their trace alone had filled the store. */
  readonly refusedSpans: number;
  /** Duplicates, equal in every field to a stored span. */
  readonly duplicateSpans: number;
}

/** The fate of a collector's spans. Those that its sample rate leaves out never reach its store. */
export interface CollectorCounts extends StoreCounts {
  /** Absent when all spans are kept. */
  readonly sampledOutSpans?: number;
}
