import type { CollectorCounts } from "../../src/collector/store.ts";
import type { TraceSummary } from "../../src/collector/trace-summary.ts";

/** The answer of `page/traces`. */
export interface Listing {
  readonly traces: readonly TraceSummary[];
  readonly services: readonly string[];
  readonly counts: CollectorCounts | null;
}
