import { RunIds } from "../../trace/run.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { RunLedger } from "./run-ledger.ts";

/** A trace of the run that no record of its ledger covers. */
interface UnrecordedTrace {
  readonly traceId: string;
  readonly spans: readonly SeenSpan[];
}

/** Maximum number of queries. If a run's ledger was lost, every request is unrecorded. */
const MAX_BATCHES = 100;

/**
 * Reads traces that the run may have made but its ledger does not cover: first those of skipped sequence
 * numbers, then those of the numbers that follow, until a batch finds none. Only for a complete ledger,
 * because requests in flight are not recorded yet.
 */
export async function* findUnrecordedTraces(
  ledger: RunLedger,
  reader: TraceReader,
  pace: QueryPace,
  signal: AbortSignal,
): AsyncGenerator<UnrecordedTrace> {
  const ids = new RunIds(ledger.header.run);
  const numbers = unknownNumbers(ledger);
  for (let batch = 0; batch < MAX_BATCHES; batch++) {
    const asked = Array.from({ length: reader.batchSize }, () => numbers.next().value);
    await pace.turn();
    const traces = await reader.read(
      asked.map(({ sequence }) => ids.traceId(sequence)),
      signal,
    );
    for (const [traceId, spans] of traces) if (spans.length > 0) yield { traceId, spans };
    if (traces.size === 0 && asked[0]?.isBehind) return;
  }
}

interface UnknownNumber {
  readonly sequence: number;
  /** Sequence numbers after the last record. */
  readonly isBehind: boolean;
}

/** Infinite. */
function* unknownNumbers(ledger: RunLedger): Generator<UnknownNumber, never> {
  let end = 0;
  for (let index = 0; index < ledger.size; index++) end = Math.max(end, ledger.sequence(index) + 1);
  // A run that lost so many records that its numbers are far apart would take too long.
  if (end <= MAX_SPREAD * Math.max(ledger.size, MAX_SPREAD)) {
    const isKnown = new Uint8Array(end);
    for (let index = 0; index < ledger.size; index++) isKnown[ledger.sequence(index)] = 1;
    for (const [sequence, known] of isKnown.entries()) if (known === 0) yield { sequence, isBehind: false };
  }
  for (let sequence = end; ; sequence++) yield { sequence, isBehind: true };
}

const MAX_SPREAD = 100;
