import type { FaultCase } from "./fault-case.ts";
import { GATEWAY_CASES } from "./gateway-cases.ts";
import { LEDGER_FILE_CASES } from "./ledger-file-cases.ts";
import { PROCESS_CASES } from "./process-cases.ts";
import { SPAN_CASES } from "./span-cases.ts";

/** The rows of the table in docs/verify.md. */
export const PRECISION_CASES: readonly FaultCase[] = [
  ...SPAN_CASES,
  ...PROCESS_CASES,
  ...GATEWAY_CASES,
  ...LEDGER_FILE_CASES,
];
