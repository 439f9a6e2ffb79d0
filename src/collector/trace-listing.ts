import { summarizeTrace, type TraceSummary } from "../contract/trace-summary.ts";
import type { Span } from "../trace/span.ts";
import type { TraceQuery, TraceStore } from "./store.ts";
import { matchesWhole } from "./trace-match.ts";
import { parseTraceQuery } from "./trace-query.ts";

/**
 * The query of `GET /page/traces`, which has the parameters of Zipkin's. Its durations are those that the list shows:
 * of whole traces, with clocks corrected, where Zipkin's are of single spans.
 * @throws {HttpError} 400 that names the parameter.
 */
export function parseListingQuery(parameters: URLSearchParams, lookbackMs?: number): TraceQuery {
  const complete = new URLSearchParams(parameters);
  // Zipkin rejects a maximum duration without a minimum; on the page either may be empty.
  if (parameters.get("maxDuration") && !parameters.get("minDuration")) complete.set("minDuration", "1");
  const { minDuration, maxDuration, ...query } = parseTraceQuery(complete, lookbackMs);
  return {
    ...query,
    ...(minDuration !== undefined && { minTraceDuration: minDuration }),
    ...(maxDuration !== undefined && { maxTraceDuration: maxDuration }),
    rootAwaitedAt: Date.now() * 1000,
  };
}

/** Lists traces for our own page, which polls lists of traces with thousands of spans. Not part of any contract. */
export function listTraces(store: TraceStore, query: TraceQuery): TraceSummary[] {
  return store.traces(query).map(summarizeTrace);
}

/** Over-fetch factor and limit for queries that Zipkin cannot filter itself. */
const [SPARE, MAX_SPARE] = [4, 1000];

/**
 * Parameters for Zipkin, whose durations are of single spans: it answers with the traces that `query` asks for, and
 * others.
 */
export function widenForZipkin(parameters: URLSearchParams, query: TraceQuery): URLSearchParams {
  const wider = new URLSearchParams(parameters);
  const { serviceName, minTraceDuration, maxTraceDuration, limit } = query;
  if (minTraceDuration === undefined) return wider;
  wider.delete("maxDuration");
  // Without a service any span counts, and a long trace has a long span: the root.
  if (serviceName !== undefined) wider.delete("minDuration");
  const isExact = serviceName === undefined && maxTraceDuration === undefined;
  if (!isExact) wider.set("limit", String(Math.max(limit, Math.min(limit * SPARE, MAX_SPARE))));
  return wider;
}

/** Returns the newest matches among the traces in Zipkin's answer. */
export function listFromZipkin(traces: readonly (readonly Span[])[], query: TraceQuery): TraceSummary[] {
  return traces
    .filter((spans) => spans.length > 0 && matchesWhole(spans, query))
    .map(summarizeTrace)
    .sort((a, b) => b.timestamp - a.timestamp)
    .slice(0, query.limit);
}
