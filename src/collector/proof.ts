import type { ProofTotals, TraceProof } from "../contract/proof.ts";
import type { Span } from "../trace/span.ts";

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
