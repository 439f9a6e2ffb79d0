import type { Endpoint, Span } from "../trace/span.ts";

/**
 * The spans of a trace cleaned as Zipkin does before it builds a tree: pieces of one span are merged, all have the
 * longest trace id, and the server half of a shared span is marked and knows its parent. Sorted by id, client first.
 */
export function mergeSpans(spans: readonly Span[]): Span[] {
  const traceId = spans.find((span) => span.traceId.length === 32)?.traceId ?? spans[0]?.traceId ?? "";
  const merged: Span[] = [];
  let tracker = new EndpointTracker(undefined);
  for (const next of spans.toSorted(compareSpans)) {
    const last = merged.at(-1);
    if (last?.id === next.id && isShared(last) === isShared(next) && tracker.takes(next.localEndpoint)) {
      merged[merged.length - 1] = joinSpans(last, next);
    } else {
      tracker = new EndpointTracker(next.localEndpoint);
      merged.push({ ...next, traceId });
    }
  }
  for (let index = 1; index < merged.length; index++) {
    merged[index] = completeShared(merged[index - 1] as Span, merged[index] as Span);
  }
  return merged;
}

/** In B3, the server's span shares the client's id, and may lack the `shared` mark and the parent. */
function completeShared(last: Span, span: Span): Span {
  if (last.id !== span.id) return span;
  const shared = isShared(span) || (last.kind === "CLIENT" && span.kind === "SERVER");
  if (!shared) return span;
  const parentId = span.parentId ?? last.parentId;
  return { ...span, shared, ...(parentId !== undefined && { parentId }) };
}

export function isShared(span: Span): boolean {
  return span.shared === true;
}

/** The known fields of the endpoint of a span that arrives in pieces. */
class EndpointTracker {
  #known: Endpoint;

  constructor(endpoint: Endpoint | undefined) {
    this.#known = endpoint ?? {};
  }

  /** Returns whether it may be the same endpoint, and if so merges its fields. */
  takes(endpoint: Endpoint | undefined): boolean {
    const keys = ["serviceName", "ipv4", "ipv6", "port"] as const;
    const known = this.#known;
    if (keys.some((key) => (known[key] ?? endpoint?.[key]) !== (endpoint?.[key] ?? known[key]))) return false;
    this.#known = { ...endpoint, ...known };
    return true;
  }
}

function joinSpans(first: Span, second: Span): Span {
  const { localEndpoint, remoteEndpoint, annotations, tags } = first;
  return {
    ...second,
    ...first,
    ...(second.localEndpoint && { localEndpoint: { ...second.localEndpoint, ...localEndpoint } }),
    ...(second.remoteEndpoint && { remoteEndpoint: { ...second.remoteEndpoint, ...remoteEndpoint } }),
    ...(second.annotations && { annotations: [...(annotations ?? []), ...second.annotations] }),
    ...(second.tags && { tags: { ...tags, ...second.tags } }),
  };
}

function compareSpans(a: Span, b: Span): number {
  if (a.id !== b.id) return a.id < b.id ? -1 : 1;
  return rankOf(a) - rankOf(b) || compareEndpoints(a.localEndpoint, b.localEndpoint);
}

/** Sorts the client first and the shared span last. */
function rankOf(span: Span): number {
  if (isShared(span)) return 2;
  return span.kind === "CLIENT" ? 0 : 1;
}

/** None first, so that what it says joins the first that has one; within, what is absent comes last. */
function compareEndpoints(a: Endpoint | undefined, b: Endpoint | undefined): number {
  if (a === undefined || b === undefined) return Number(a !== undefined) - Number(b !== undefined);
  return (
    compareTexts(a.serviceName, b.serviceName) || compareTexts(a.ipv4, b.ipv4) || compareTexts(a.ipv6, b.ipv6)
  );
}

function compareTexts(a: string | undefined, b: string | undefined): number {
  if (a === b) return 0;
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1;
  return a < b ? -1 : 1;
}
