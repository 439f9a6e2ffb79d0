import { RunLedgerWriter } from "../../src/load/run-account.ts";
import type { RunHeader, LedgerRecord } from "../../src/trace/run-ledger.ts";

/** The bytes of a ledger as the load generator writes it. */
export function ledgerBytes(header: RunHeader, records: readonly LedgerRecord[], isEnded = true): Buffer {
  const account = new RunLedgerWriter({ header, file: null, isKept: true });
  for (const record of records) account.add(record);
  if (isEnded) account.end();
  return account.read();
}
