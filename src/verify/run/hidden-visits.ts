import type { RunIds } from "../../trace/run.ts";
import type { Inquiry, Question } from "../backend/inquiry.ts";
import type { RunLedger } from "./run-ledger.ts";
import { sumOfVisits } from "./visits.ts";

/** Number of requests per query. */
const BATCH = 200;

/**
 * Finds requests for which links recorded more spans than the answers say, by their index in the run's
 * ledger: something before a link sent a call twice. If all spans of the second visit are lost, no answer and
 * no span shows it. The newest requests come first, because links forget the oldest.
 */
export async function findHiddenVisits(ledger: RunLedger, ids: RunIds, inquiry: Inquiry): Promise<number[]> {
  const found: number[] = [];
  for (let end = ledger.size; end > 0; end -= BATCH) {
    const first = Math.max(0, end - BATCH);
    const records = Array.from({ length: end - first }, (_, at) => ledger.record(first + at));
    const remembered = await inquiry.ask(
      records.map((record): Question => {
        const traceLow = ids.traceId(record.sequence).slice(-16);
        return { traceLow, parents: new Map(), sinceMs: ledger.endOf(record) };
      }),
    );
    for (const [at, { visits }] of remembered.entries()) {
      const answered = records[at]?.ledger ?? null;
      if (answered !== null && sumOfVisits(visits).count > answered.count) found.push(first + at);
    }
    if (remembered.every(({ visits }) => visits.length === 0)) break;
  }
  return found;
}
