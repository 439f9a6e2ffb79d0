import type { ProofTotals } from "./proof.ts";

/**
 * What `GET /api/live` tells, as server-sent events: `history` once, with the seconds there are (at most 120, oldest
 * first), then `second` for each second. Times of durations are microseconds.
 */
export interface LiveSecond {
  /** Start of the second, milliseconds since 1970. A span belongs to the second in which it ended. */
  readonly time: number;
  /** Those with requests in it. */
  readonly services: readonly LiveService[];
  readonly edges: readonly LiveEdge[];
  /** `accepted` and `dropped` count this second, `held` and `evicted` are the store's at its end. */
  readonly spans: LiveSpans;
  /** Where the ledgers of the requests are known: what became of all of them, until the end of the second. */
  readonly proof?: ProofTotals;
}

export interface LiveNumbers {
  readonly requests: number;
  readonly errors: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

/** From SERVER spans, whether or not they have a parent. */
interface LiveService extends LiveNumbers {
  readonly name: string;
}

/**
 * From CLIENT spans that name the other side: a span alone tells both ends. A SERVER span has only the id of its
 * parent, whose service would have to be looked up in the store for each span, and may come later; a call whose CLIENT
 * span is missing or names nobody counts for its service, and in `GET /api/v2/dependencies`, but for no edge.
 */
interface LiveEdge extends LiveNumbers {
  readonly from: string;
  readonly to: string;
}

interface LiveSpans {
  readonly accepted: number;
  readonly dropped: number;
  readonly held: number;
  readonly evicted: number;
}
