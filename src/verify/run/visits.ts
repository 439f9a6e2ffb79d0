import { addLedger, EMPTY_LEDGER, type Ledger } from "../../trace/ledger.ts";
import type { LinkVisit } from "../backend/inquiry.ts";
import type { RecordedSpans } from "../judge/recorded-spans.ts";

/** The ledger of all spans that the visits recorded. */
export function sumOfVisits(visits: readonly LinkVisit[]): Ledger {
  return visits.reduce((sum, { ledger }) => addLedger(sum, ledger), EMPTY_LEDGER);
}

/** Each visit that recorded anything recorded one SERVER span; the others are of its calls. */
export function countByLink(visits: readonly LinkVisit[]): ReadonlyMap<string, RecordedSpans> | null {
  const counts = new Map<string, RecordedSpans>();
  for (const { service, ledger } of visits) {
    if (service === null) return null;
    if (ledger.count === 0) continue;
    const { server, client } = counts.get(service) ?? { server: 0, client: 0 };
    counts.set(service, { server: server + 1, client: client + ledger.count - 1 });
  }
  return counts;
}
