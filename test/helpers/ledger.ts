import { RunLedgerWriter } from "../../src/load/run-ledger-writer.ts";
import type { LedgerRecord, RunHeader } from "../../src/trace/ledger-record.ts";

/** Returns the bytes of a ledger as the load generator writes it. */
export function ledgerBytes(header: RunHeader, records: readonly LedgerRecord[], isEnded = true): Buffer {
  const ledger = new RunLedgerWriter({ header, file: null, isKept: true });
  for (const record of records) ledger.add(record);
  if (isEnded) ledger.end();
  return ledger.read();
}
