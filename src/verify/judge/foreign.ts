import type { Ledger } from "../../trace/ledger.ts";
import { isSameLedger, ledgerOf } from "./digest.ts";
import type { SeenSpan } from "./seen-span.ts";

/** Every subset of the services is tried. */
const MAX_SERVICES = 12;

/**
 * The services of a trace without whose spans the account is right: the digest proves that they are no links in it. None, where
 * the account is right with all; `null` when nothing proves it. Where nobody says which services are ours.
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
