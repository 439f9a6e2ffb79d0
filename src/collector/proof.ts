import type { Span } from "../trace/span.ts";

/** What the ledger of its request says of a trace. */
export interface TraceProof {
  /**
   * `waiting`: not all of it is there, and it may still come. `unknown`: the ledger itself was cut, by a call that got no
   * answer, or the request was.
   */
  readonly state: "complete" | "waiting" | "incomplete" | "unknown";
  /** Spans that are there. */
  readonly seen: number;
  /** Spans that the ledger knows; `null` where there is none. */
  readonly expected: number | null;
  /** What is wrong, in words. */
  readonly findings: readonly string[];
}

/** How many requests of the run are in each state; together all that ended. */
export type ProofTotals = Readonly<Record<TraceProof["state"], number>>;

/**
 * The accounts of the requests that somebody sends while this collector takes their spans. Who drives the load gives it;
 * a collector by itself knows no ledger.
 */
export interface RunProof {
  /** Is told of spans that were stored. */
  record(spans: readonly Span[]): void;
  /** `undefined` for a trace that is not of the run, or whose request was too long ago. */
  proofOf(traceId: string): TraceProof | undefined;
  totals(): ProofTotals;
  /** What `GET /api/verify` answers. */
  result(): unknown;
}
