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
