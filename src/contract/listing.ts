import type { CollectorCounts } from "./collector-counts.ts";
import type { TraceSummary } from "./trace-summary.ts";

/** The answer of `GET /page/traces`. */
export interface Listing {
  readonly traces: readonly TraceSummary[];
  readonly services: readonly string[];
  /** `null` if the backend is not a collector of chain-link. */
  readonly counts: CollectorCounts | null;
}
