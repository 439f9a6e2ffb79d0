import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { RecordedSpans } from "../judge/recorded-spans.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { Elsewhere } from "./elsewhere.ts";

/** A request and the spans of its trace that have arrived. */
export interface SeenTrace {
  readonly record: LedgerRecord;
  spans: readonly SeenSpan[];
  /** The spans below which a link was visited; `null` if unknown. */
  reached: ReadonlySet<string> | null;
  /** What each link says it recorded; `null` if that is not known. */
  readonly recorded: ReadonlyMap<string, RecordedSpans> | null;
  /** What the answer claims beyond the visits of the trace; `null`: nothing. */
  readonly elsewhere: Elsewhere | null;
  /** Whether no link was visited in the trace. */
  readonly isUnreached: boolean;
}

interface SingleReadingOptions {
  readonly reader: TraceReader;
  readonly ids: RunIds;
  readonly pace: QueryPace;
  /** Whether nobody waits any longer. */
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
}

/** Number of traces read one by one before they are called lost. It continues while that finds spans. */
const SINGLE_TRIALS = 10;
const MOST_SINGLE = 1000;

/**
 * Reads incomplete traces one by one, because a backend may cut a long answer, and replaces their spans if
 * there are more.
 * @throws {UserError} `backend-unreadable`
 */
export async function readSingly(
  left: readonly SeenTrace[],
  { reader, ids, pace, isOver, signal }: SingleReadingOptions,
): Promise<void> {
  let found = 0;
  // Start with the fewest spans: those were cut from the answer.
  const emptiest = left.toSorted((a, b) => a.spans.length - b.spans.length);
  for (const [asked, trace] of emptiest.slice(0, MOST_SINGLE).entries()) {
    if (isOver() || (asked >= SINGLE_TRIALS && found === 0)) return;
    const id = ids.traceId(trace.record.sequence);
    await pace.turn();
    const spans = (await reader.read([id], signal)).get(id) ?? [];
    if (spans.length <= trace.spans.length) continue;
    trace.spans = spans;
    trace.reached = null;
    found++;
  }
}
