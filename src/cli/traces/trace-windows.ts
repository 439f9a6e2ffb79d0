import { AnswerTooLargeError, MAX_ANSWER_BYTES } from "../../lib/bounded-body.ts";
import { UserError } from "../../lib/errors.ts";
import type { Span } from "../../trace/span.ts";
import type { TraceBackend } from "./trace-backend.ts";

export interface TraceSearch {
  readonly service: string | null;
  readonly query: string | null;
  /** Milliseconds since 1970, and so is `endMs`. */
  readonly startMs: number;
  readonly endMs: number;
}

/** Desired number of spans in a response, about 10 MB. */
const ANSWER_SPANS = 20_000;
const FIRST_LIMIT = 20;
const MIN_LIMIT = 10;
const MAX_LIMIT = 500;
/** The lowest limit with which an answer of one trace is known to be complete. */
const MIN_PAIR = 2;
/** Share of the limit that the next window should fill. With more, every other window would have to be narrowed. */
const FILLED_SHARE = 0.6;
const MAX_GROWTH = 4;
/** Growth after an empty window: a millisecond grows to a day in seven windows. */
const EMPTY_GROWTH = 16;

/**
 * Yields every trace of a search once, in groups from the newest to the oldest.
 *
 * Zipkin's API has a limit but no cursor, and a full response does not say what it leaves out: Zipkin picks the traces with
 * the latest spans, but compares the window with their roots. So a response counts only if it has fewer traces than the
 * limit, which means that the window is complete. Otherwise the window is narrowed; the narrowest, one millisecond, gets a
 * higher limit.
 * @throws {UserError} when the backend cannot return all traces of a window
 */
export async function* readTraceWindows(
  backend: TraceBackend,
  search: TraceSearch,
): AsyncGenerator<Span[][]> {
  const seen = new Set<string>();
  let end = search.endMs;
  let width = end - search.startMs;
  let limit = FIRST_LIMIT;
  /** A limit with which the response for one millisecond is too large. */
  let tooLarge = Infinity;
  while (end > search.startMs) {
    const start = Math.max(search.startMs, end - width);
    const isNarrowest = end - start === 1;
    const found = await readWindow(backend, search, start, end, limit);
    if (found === null) {
      if (isNarrowest) tooLarge = Math.min(tooLarge, limit);
      if (tooLarge <= MIN_PAIR) throw tooLargeAnswer(backend);
      limit = Math.max(MIN_PAIR, limit >> 2);
      width = Math.max(1, (end - start) >> 2);
      continue;
    }
    const isComplete = found.length < limit;
    if (!isComplete && isNarrowest) {
      limit *= 2;
      if (limit >= tooLarge) throw tooLargeAnswer(backend);
      continue;
    }
    limit = limitFor(found);
    if (isComplete) {
      // Adjacent windows share a boundary millisecond.
      const fresh = found.filter(([span]) => span !== undefined && !seen.has(span.traceId));
      for (const [span] of fresh) seen.add((span as Span).traceId);
      yield fresh.sort((a, b) => startOf(b) - startOf(a));
      width = widen(end - start, found.length, limit);
      end = start;
      tooLarge = Infinity;
    } else width = narrow(found, end, end - start, limit);
  }
}

function tooLargeAnswer(backend: TraceBackend): UserError {
  const mebibytes = MAX_ANSWER_BYTES / 1024 / 1024;
  return new UserError(
    "collector-refused",
    `${backend.origin} answers with more than ${mebibytes} MiB for traces that start in the same millisecond`,
    "Export fewer traces with --service, --query or a shorter --lookback.",
  );
}

/** Returns `null` when the response is too large. */
async function readWindow(
  backend: TraceBackend,
  { service, query }: TraceSearch,
  start: number,
  end: number,
  limit: number,
): Promise<Span[][] | null> {
  const parameters = new URLSearchParams({
    endTs: String(end),
    lookback: String(end - start),
    limit: String(limit),
    ...(service !== null && { serviceName: service }),
    ...(query !== null && { annotationQuery: query }),
  });
  let found: unknown;
  try {
    found = await backend.get(`/api/v2/traces?${parameters}`);
  } catch (error) {
    if (error instanceof AnswerTooLargeError) return null;
    throw error;
  }
  if (Array.isArray(found) && found.every(Array.isArray)) return found;
  throw new UserError(
    "collector-refused",
    `${backend.origin} answers with JSON that is not a list of traces`,
  );
}

function limitFor(found: readonly Span[][]): number {
  const spans = found.reduce((sum, trace) => sum + trace.length, 0);
  const average = Math.max(1, spans / Math.max(1, found.length));
  return Math.min(MAX_LIMIT, Math.max(MIN_LIMIT, Math.floor(ANSWER_SPANS / average)));
}

function widen(width: number, traces: number, limit: number): number {
  const growth = traces === 0 ? EMPTY_GROWTH : Math.min(MAX_GROWTH, (FILLED_SHARE * limit) / traces);
  return Math.max(1, Math.ceil(width * growth));
}

/** Assumes that the traces found are the newest ones, as with our collector; narrows at least by half. */
function narrow(found: readonly Span[][], end: number, width: number, limit: number): number {
  const covered = end - Math.min(...found.map(startOf)) / 1000;
  const wanted = (FILLED_SHARE * limit * covered) / found.length;
  return Math.max(1, Math.floor(Math.min(width / 2, wanted)));
}

function startOf(trace: readonly Span[]): number {
  return Math.min(...trace.map(({ timestamp = Infinity }) => timestamp));
}
