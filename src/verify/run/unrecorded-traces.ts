import { RunIds } from "../../trace/run.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { RunLedger } from "./run-ledger.ts";

/** A trace of the run that its account does not know. */
export interface UnrecordedTrace {
  readonly traceId: string;
  readonly spans: readonly SeenSpan[];
}

/** Most batches that are asked for: of a run whose account was lost every request is a stray. */
const MAX_BATCHES = 100;

/**
 * Asks for the traces that the run would have made and its account does not know: those of numbers that it leaves out, then those of the numbers
 * that follow, until none of a batch is there. Only for a whole account: requests that are yet to end are in none.
 */
export async function* findUnrecordedTraces(
  book: RunLedger,
  reader: TraceReader,
  pace: QueryPace,
  signal: AbortSignal,
): AsyncGenerator<UnrecordedTrace> {
  const ids = new RunIds(book.header.run);
  const numbers = unknownNumbers(book);
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
  /** It follows all that are known. */
  readonly isBehind: boolean;
}

/** Never ends. */
function* unknownNumbers(book: RunLedger): Generator<UnknownNumber, never> {
  let end = 0;
  for (let index = 0; index < book.size; index++) end = Math.max(end, book.sequence(index) + 1);
  // A run that lost so many that its numbers are far apart would take too much.
  if (end <= MAX_SPREAD * Math.max(book.size, MAX_SPREAD)) {
    const isKnown = new Uint8Array(end);
    for (let index = 0; index < book.size; index++) isKnown[book.sequence(index)] = 1;
    for (const [sequence, known] of isKnown.entries()) if (known === 0) yield { sequence, isBehind: false };
  }
  for (let sequence = end; ; sequence++) yield { sequence, isBehind: true };
}

const MAX_SPREAD = 100;
