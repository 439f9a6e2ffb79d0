import type { Span } from "../trace/span.ts";

/** What the request's ledger says about its trace. */
export interface TraceProof {
  /**
   * `waiting`: some spans have not arrived and still may. `unknown`: the ledger is incomplete, because a call got no
   * answer or the request failed.
   */
  readonly state: "complete" | "waiting" | "incomplete" | "unknown";
  /** Number of stored spans. */
  readonly seen: number;
  /** Number of spans in the ledger; `null` without a ledger. */
  readonly expected: number | null;
  /** The problem, as text for people. */
  readonly findings: readonly string[];
}

/** Number of the run's requests in each state. The sum is the number of finished requests. */
export type ProofTotals = Readonly<Record<TraceProof["state"], number>>;

/**
 * The ledgers of requests whose spans this collector stores. The load generator in the same process provides it;
 * a standalone collector has none.
 */
export interface RunProof {
  /** Records spans that were stored. */
  record(spans: readonly Span[]): void;
  /** `undefined` for a trace that is not of the run, or whose request is no longer remembered. */
  proofOf(traceId: string): TraceProof | undefined;
  totals(): ProofTotals;
  /** What `GET /api/verify` answers. */
  result(): unknown;
}
