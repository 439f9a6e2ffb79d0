import { readPatiently } from "../backend/patient-reader.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { FinalVerdicts } from "./final-verdicts.ts";
import { readCopies } from "./ledger-comparison.ts";
import type { RunLedger } from "./run-ledger.ts";
import { findUnrecordedTraces } from "./unrecorded-traces.ts";

interface ExtraSpansOptions {
  readonly ledger: RunLedger;
  readonly reader: TraceReader;
  readonly pace: QueryPace;
  /** Whether the ledger covers all requests of the run; only then unrecorded traces are searched for. */
  readonly isWholeRun: boolean;
  /** Whether the backend has answered before, so that a failure is retried once. */
  readonly hasAnswered: boolean;
  readonly signal: AbortSignal;
}

/**
 * Adds findings that belong to no request of the ledger: unrecorded traces, and copies that the backend did
 * not keep.
 * @throws {UserError} `backend-unreadable`
 */
export async function addExtraSpans(settled: FinalVerdicts, options: ExtraSpansOptions): Promise<void> {
  const { ledger, reader, pace, isWholeRun, signal } = options;
  if (isWholeRun) {
    const strays = await readPatiently(
      () => Array.fromAsync(findUnrecordedTraces(ledger, reader, pace, signal)),
      options,
    );
    for (const { traceId, spans } of strays) settled.tally.addStray(traceId, spans);
  }
  const doubled = await readPatiently(
    () => Array.fromAsync(readCopies(ledger, reader, pace, signal)),
    options,
  );
  if (doubled.length === 0) return;
  // The backend's counts cover the whole run, even if only a part of it is judged.
  const judged = new Set(Array.from({ length: ledger.size }, (_, index) => ledger.sequence(index)));
  for (const { sequence, copies } of doubled) {
    if (judged.has(sequence)) settled.addSwallowed(sequence, copies);
  }
}
