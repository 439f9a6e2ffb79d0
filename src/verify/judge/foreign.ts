import type { Ledger } from "../../trace/ledger.ts";
import { isSameLedger, ledgerOf } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";

/** Maximum number of services, because every subset is tried. */
const MAX_SERVICES = 12;

/**
 * Finds the services of a trace that are not links, for runs without a topology. The digest proves it:
 * without their spans, the trace matches the ledger. Returns none when all spans match, and `null` when no
 * subset does.
 */
export function findForeignServices(spans: readonly SeenSpan[], ledger: Ledger): string[] | null {
  if (isSameLedger(ledgerOf(spans), ledger)) return [];
  const groups = [...Map.groupBy(spans, ({ serviceName }) => serviceName)];
  if (spans.length <= ledger.count || ledger.count === 0 || groups.length > MAX_SERVICES) return null;
  for (let mask = 1; mask < 2 ** groups.length - 1; mask++) {
    const kept = groups.filter((_, index) => (mask & (1 << index)) === 0);
    if (!isSameLedger(ledgerOf(kept.flatMap(([, list]) => list)), ledger)) continue;
    return groups.filter((_, index) => (mask & (1 << index)) !== 0).map(([name]) => name);
  }
  return null;
}
