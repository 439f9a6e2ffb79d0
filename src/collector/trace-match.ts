import { isRootMissing } from "../contract/trace-summary.ts";
import { ownValue } from "../lib/record.ts";
import type { Span } from "../trace/span.ts";
import { extentOf } from "../trace/trace-extent.ts";
import type { TraceQuery } from "./store.ts";

/**
 * Whether the spans of a trace are what a query asks for, apart from time. By the rules of `QueryRequest.test`:
 * https://github.com/openzipkin/zipkin/blob/master/zipkin/src/main/java/zipkin2/storage/QueryRequest.java
 */
export function matchesTrace(spans: readonly Span[], query: TraceQuery): boolean {
  const { serviceName, spanName, remoteServiceName, minDuration } = query;
  let hasService = serviceName === undefined;
  let hasSpanName = spanName === undefined;
  let hasRemote = remoteServiceName === undefined;
  let hasDuration = minDuration === undefined;
  const wanted = new Map(query.annotationQuery);
  for (const span of spans) {
    if (serviceName !== undefined && span.localEndpoint?.serviceName !== serviceName) continue;
    hasService = true;
    hasSpanName ||= span.name === spanName;
    hasRemote ||= span.remoteEndpoint?.serviceName === remoteServiceName;
    hasDuration ||= isWithin(span.duration ?? 0, query);
    if (wanted.size > 0) removeFound(wanted, span);
  }
  const hasAll = hasService && hasSpanName && hasRemote && hasDuration && wanted.size === 0;
  return hasAll && matchesWhole(spans, query);
}

/** How long to wait for the root after the last arrived span ended, microseconds. Links and exporters send late. */
const ROOT_PATIENCE = 10_000_000;

/** Whether a trace as a whole is what a query asks for: not by its single spans, and in no terms of Zipkin's. */
export function matchesWhole(spans: readonly Span[], query: TraceQuery): boolean {
  const { minTraceDuration, maxTraceDuration, rootAwaitedAt } = query;
  if (minTraceDuration !== undefined || maxTraceDuration !== undefined) {
    const { duration } = extentOf(spans);
    if (duration < (minTraceDuration ?? 0) || duration > (maxTraceDuration ?? Infinity)) return false;
  }
  if (rootAwaitedAt === undefined || !isRootMissing(spans)) return true;
  const { start, duration } = extentOf(spans);
  return Math.abs(rootAwaitedAt - start - duration) > ROOT_PATIENCE;
}

function isWithin(duration: number, { minDuration = 0, maxDuration = Infinity }: TraceQuery): boolean {
  return duration >= minDuration && duration <= maxDuration;
}

function removeFound(wanted: Map<string, string>, { tags, annotations }: Span): void {
  for (const [key, value] of wanted) {
    const found = ownValue(tags, key);
    const isTag = found !== undefined && (value === "" || value === found);
    if (isTag || (value === "" && annotations?.some((annotation) => annotation.value === key)))
      wanted.delete(key);
  }
}
