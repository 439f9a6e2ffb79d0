import { correctSkew, mayBeSkewed } from "./clock-skew.ts";
import type { Span } from "./span.ts";
import { arrangeSpans } from "./span-tree.ts";

interface TraceExtent {
  /** Earliest start, microseconds since 1970; 0 if no span has a timestamp. */
  readonly start: number;
  /** From the earliest start to the latest end, microseconds. */
  readonly duration: number;
}

/** When a trace began and how long it took, with clocks corrected. Trace list, search and trace view all show this. */
export function extentOf(spans: readonly Span[]): TraceExtent {
  if (!mayBeSkewed(spans)) return measureExtent(spans);
  const rows = arrangeSpans(spans);
  return measureExtent(
    rows.map(({ span }) => span),
    correctSkew(rows).shifts,
  );
}

/** @param shifts microseconds to add to the start of each span */
export function measureExtent(spans: readonly Span[], shifts?: Float64Array): TraceExtent {
  let start = Number.POSITIVE_INFINITY;
  let end = Number.NEGATIVE_INFINITY;
  for (let index = 0; index < spans.length; index++) {
    const { timestamp, duration = 0 } = spans[index] as Span;
    if (timestamp === undefined) continue;
    const at = timestamp + (shifts?.[index] ?? 0);
    if (at < start) start = at;
    if (at + duration > end) end = at + duration;
  }
  return end < start ? { start: 0, duration: 0 } : { start, duration: end - start };
}
