import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import type { QueryPace } from "../backend/query-pace.ts";
import type { TraceReader } from "../backend/trace-reader.ts";
import type { RecordedSpans } from "../judge/recorded-spans.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import type { Elsewhere } from "./elsewhere.ts";

/** A request and what is there of its trace. */
export interface SeenTrace {
  readonly record: LedgerRecord;
  spans: readonly SeenSpan[];
  /** Of these, the ones below which some link was visited; `null` where that is not known. */
  reached: ReadonlySet<string> | null;
  /** What each link says it recorded; `null` if that is not known. */
  readonly recorded: ReadonlyMap<string, RecordedSpans> | null;
  /** What the answer claims beyond the visits of the trace. */
  readonly elsewhere: Elsewhere | null;
  /** No link was visited in the trace. */
  readonly isUnreached: boolean;
}

interface SingleReadingOptions {
  readonly reader: TraceReader;
  readonly ids: RunIds;
  readonly pace: QueryPace;
  /** Whether nobody waits any more. */
  readonly isOver: () => boolean;
  readonly signal: AbortSignal;
}

/** Traces that are asked for one by one before they are called lost: so many, and more while that finds anything. */
const SINGLE_TRIALS = 10;
const MOST_SINGLE = 1000;

/**
 * A backend may cut an answer that is long: what is not whole is asked for by itself, and takes the spans that are there more.
 * @throws {UserError} `backend-unreadable`
 */
export async function readSingly(
  left: readonly SeenTrace[],
  { reader, ids, pace, isOver, signal }: SingleReadingOptions,
): Promise<void> {
  let found = 0;
  // Those first of which the least is there: where an answer was cut, they fell off.
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
