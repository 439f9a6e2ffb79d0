import { RunLedgerWriter } from "../../src/load/run-ledger-writer.ts";
import type { LedgerRecord, RunHeader } from "../../src/trace/ledger-record.ts";

/** The bytes of a ledger as the load generator writes it. */
export function ledgerBytes(header: RunHeader, records: readonly LedgerRecord[], isEnded = true): Buffer {
  const account = new RunLedgerWriter({ header, file: null, isKept: true });
  for (const record of records) account.add(record);
  if (isEnded) account.end();
  return account.read();
}
