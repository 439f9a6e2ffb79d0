import type { ProofTotals } from "./proof.ts";
import type { VerifyResult } from "./verify-result.ts";

/** The answer of `GET /api/verify`: the result so far of the run that this process drives. */
export interface LiveResult {
  readonly result: VerifyResult;
  readonly totals: ProofTotals;
}
