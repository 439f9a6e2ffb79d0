import type { Span } from "../trace/span.ts";
import { extentOf } from "../trace/trace-extent.ts";
import type { TraceProof } from "./proof.ts";

/** A trace as a row of a list. */
export interface TraceSummary {
  readonly traceId: string;
  /** Of the root, or of the earliest span when the root is missing. */
  readonly serviceName?: string;
  readonly spanName?: string;
  /** The trace has no root: every span has a parent. */
  readonly isRootMissing?: true;
  /** Earliest start with clocks corrected, microseconds since 1970; 0 when no span has a timestamp. */
  readonly timestamp: number;
  /** From the earliest start to the latest end, with clocks corrected, microseconds. */
  readonly duration: number;
  readonly spanCount: number;
  /** Spans with the tag `error`, whatever its value. */
  readonly errorCount: number;
  readonly serviceCount: number;
  /** Present if the ledger of its request is known. */
  readonly proof?: TraceProof | undefined;
}

/** @param spans of one trace, at least one. */
export function summarizeTrace(spans: readonly Span[]): TraceSummary {
  const services = new Set<string>();
  let root = spans[0] as Span;
  let errorCount = 0;
  for (const span of spans) {
    if (span.localEndpoint?.serviceName !== undefined) services.add(span.localEndpoint.serviceName);
    if (span.tags !== undefined && Object.hasOwn(span.tags, "error")) errorCount++;
    if (isBetterRoot(span, root)) root = span;
  }
  const { start, duration } = extentOf(spans);
  return {
    traceId: root.traceId,
    ...(root.localEndpoint?.serviceName !== undefined && { serviceName: root.localEndpoint.serviceName }),
    ...(root.name !== undefined && { spanName: root.name }),
    ...(isRootMissing(spans) && { isRootMissing: true as const }),
    timestamp: start,
    duration,
    spanCount: spans.length,
    errorCount,
    serviceCount: services.size,
  };
}

/** A span without a parent is the better root, then the earlier one. */
function isBetterRoot(span: Span, root: Span): boolean {
  const hasParent = span.parentId !== undefined;
  if (hasParent !== (root.parentId !== undefined)) return !hasParent;
  return (span.timestamp ?? Infinity) < (root.timestamp ?? Infinity);
}

/**
 * Whether every span names a parent: the first span of the request was not recorded, was lost, or has not arrived yet.
 */
export function isRootMissing(spans: readonly Span[]): boolean {
  return spans.every(({ parentId }) => parentId !== undefined);
}
