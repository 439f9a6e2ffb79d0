import type { Ledger } from "../../trace/ledger.ts";
import { type LedgerRecord, RECORD_BYTES, readRunRecord } from "../../trace/ledger-record.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import { isSameLedger } from "../judge/digest.ts";
import type { RunLedger } from "./run-ledger.ts";

/** Number of requests compared per query. */
const AT_ONCE = 20_000;
/** Number of requests per query for copies, which reads no spans. */
const COPIES_AT_ONCE = 1_000_000;

interface ComparedRequest {
  /** Index in the ledger. */
  readonly index: number;
  readonly record: LedgerRecord;
  /** Whether the digest proves that the stored spans are the recorded ones. */
  readonly isProved: boolean;
}

/**
 * Compares the ledgers of requests with those that the backend computes from its stored spans, in sequence
 * order. Equal ledgers prove their traces without reading a span. A backend that computes no ledgers proves
 * none.
 */
export async function* compareLedgers(
  ledger: RunLedger,
  indexes: readonly number[],
  reader: TraceReader,
  pace: QueryPace,
  signal: AbortSignal,
): AsyncGenerator<readonly ComparedRequest[]> {
  const order = Uint32Array.from(indexes).sort((a, b) => ledger.sequence(a) - ledger.sequence(b));
  for (let at = 0; at < order.length; ) {
    const from = ledger.sequence(order[at] as number);
    let last = from;
    for (let next = at; next < order.length; next++) {
      const sequence = ledger.sequence(order[next] as number);
      if (sequence >= from + AT_ONCE) break;
      last = sequence;
    }
    await pace.turn();
    const view = (await reader.readLedgers?.(ledger.header.run, from, last - from + 1, signal)) ?? NOTHING;
    const compared: ComparedRequest[] = [];
    for (let offset = 0; at < order.length; at++) {
      const index = order[at] as number;
      const record = ledger.record(index);
      if (record.sequence > last) break;
      while (offset < view.byteLength && sequenceAt(view, offset) < record.sequence) offset += RECORD_BYTES;
      const isThere = offset < view.byteLength && sequenceAt(view, offset) === record.sequence;
      const stored = isThere ? readRunRecord(view, offset).ledger : null;
      compared.push({ index, record, isProved: isProved(record, stored) });
    }
    yield compared;
  }
}

/**
 * Yields requests whose spans the backend received more than once without keeping the copies, if it counts
 * them.
 */
export async function* readCopies(
  ledger: RunLedger,
  reader: TraceReader,
  pace: QueryPace,
  signal: AbortSignal,
): AsyncGenerator<{ readonly sequence: number; readonly copies: number }> {
  let end = 0;
  for (let index = 0; index < ledger.size; index++) end = Math.max(end, ledger.sequence(index) + 1);
  for (let from = 0; from < end; from += COPIES_AT_ONCE) {
    await pace.turn();
    // The cost of the query is the number of trace ids.
    const limit = Math.min(COPIES_AT_ONCE, end - from);
    const view = await reader.readCopies?.(ledger.header.run, from, limit, signal);
    if (!view) return;
    for (let offset = 0; offset < view.byteLength; offset += RECORD_BYTES) {
      const stored = readRunRecord(view, offset);
      yield { sequence: stored.sequence, copies: stored.ledger?.unknown ?? 0 };
    }
  }
}

const NOTHING = new DataView(new ArrayBuffer(0));

function sequenceAt(view: DataView, offset: number): number {
  return view.getUint32(offset, true);
}

/** Copies that were not kept do not change the trace. */
function isProved({ ledger, isSampled }: LedgerRecord, stored: Ledger | null): boolean {
  if (ledger === null || stored === null || !isSampled) return false;
  return ledger.unknown === 0 && isSameLedger(ledger, stored);
}
