import { correctSkew } from "../../src/trace/clock-skew.ts";
import type { Span } from "../../src/trace/span.ts";
import { arrangeSpans, type SpanRow } from "../../src/trace/span-tree.ts";
import { measureExtent } from "../../src/trace/trace-extent.ts";
import { markCriticalPath } from "./critical-path.ts";

/**
 * One span, ready to be drawn. Times are in microseconds from the start of the trace, after clock
 * correction.
 */
export interface TraceRow {
  readonly span: Span;
  readonly index: number;
  readonly service: string;
  readonly depth: number;
  /** Index of the parent's row; -1 for a root. */
  readonly parent: number;
  /** Number of descendants; they are the rows right after this one. */
  readonly descendants: number;
  readonly isOrphan: boolean;
  readonly isError: boolean;
  /** `null` if the span has no timestamp. */
  readonly start: number | null;
  readonly duration: number;
  /** Time during which none of its children runs. */
  readonly selfTime: number;
  /** Clock correction that was added to the start. */
  readonly shift: number;
  isCritical: boolean;
}

export interface Trace {
  readonly traceId: string;
  readonly rows: readonly TraceRow[];
  /** In microseconds since 1970; 0 if no span has a timestamp. */
  readonly start: number;
  readonly duration: number;
  readonly services: readonly string[];
  readonly errors: number;
  readonly orphans: number;
  /** Clock corrections in microseconds, by service or instance. */
  readonly skews: ReadonlyMap<string, number>;
}

/** A part of a trace, in microseconds from its start. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

export function hasError(span: Span): boolean {
  return span.tags !== undefined && Object.hasOwn(span.tags, "error");
}

/** Builds the model for all views of a trace. 20,000 spans take some tens of milliseconds. */
export function modelTrace(spans: readonly Span[]): Trace {
  const { rows: arranged, shifts, skews } = arrangeCorrected(spans);
  const { start, duration } = measureExtent(
    arranged.map(({ span }) => span),
    shifts,
  );
  const descendants = countDescendants(arranged);
  const services = new Set<string>();
  const rows = arranged.map(({ span, depth, parent, isOrphan }, index): TraceRow => {
    const service = span.localEndpoint?.serviceName ?? "unknown service";
    services.add(service);
    const shift = shifts[index] as number;
    return {
      span,
      index,
      service,
      depth,
      parent,
      descendants: descendants[index] as number,
      isOrphan,
      isError: hasError(span),
      start: span.timestamp === undefined ? null : span.timestamp + shift - start,
      duration: span.duration ?? 0,
      selfTime: span.duration ?? 0,
      shift,
      isCritical: false,
    };
  });
  computeSelfTimes(rows);
  markCriticalPath(rows);
  return {
    traceId: rows[0]?.span.traceId ?? "",
    rows,
    start,
    duration,
    services: [...services],
    errors: rows.filter((row) => row.isError).length,
    orphans: rows.filter((row) => row.isOrphan).length,
    skews,
  };
}

function arrangeCorrected(spans: readonly Span[]) {
  const rows = arrangeSpans(spans);
  const { shifts, services: skews } = correctSkew(rows);
  if (skews.size === 0) return { rows, shifts, skews };
  // The correction may have changed the order of siblings.
  const shiftOf = new Map(rows.map(({ span }, index) => [span, shifts[index] as number]));
  const startOf = (span: Span) => (span.timestamp ?? Infinity) + (shiftOf.get(span) ?? 0);
  const moved = arrangeSpans(spans, startOf);
  return { rows: moved, shifts: Float64Array.from(moved, ({ span }) => shiftOf.get(span) ?? 0), skews };
}

function countDescendants(rows: readonly SpanRow[]): Int32Array {
  const counts = new Int32Array(rows.length);
  for (let index = rows.length - 1; index >= 0; index--) {
    const { parent } = rows[index] as SpanRow;
    if (parent >= 0) counts[parent] = (counts[parent] as number) + (counts[index] as number) + 1;
  }
  return counts;
}

/** Children are sorted by start, so one pass finds the time that they cover together. */
function computeSelfTimes(rows: readonly TraceRow[]): void {
  const coveredTo = new Float64Array(rows.length).fill(Number.NEGATIVE_INFINITY);
  for (const row of rows) {
    const parent = rows[row.parent];
    if (parent === undefined || parent.start === null || row.start === null) continue;
    const from = Math.max(row.start, parent.start, coveredTo[parent.index] as number);
    const to = Math.min(row.start + row.duration, parent.start + parent.duration);
    if (to <= from) continue;
    coveredTo[parent.index] = to;
    (parent as { selfTime: number }).selfTime -= to - from;
  }
}

/** The key of a span in addresses: its id, with a suffix for the server's half of a shared span. */
export function keyOf({ span }: TraceRow): string {
  return span.shared ? `${span.id}.shared` : span.id;
}

/** The rows from `root` to its last descendant. */
export function subtreeOf(trace: Trace, root: TraceRow): readonly TraceRow[] {
  return trace.rows.slice(root.index, root.index + root.descendants + 1);
}
