import type { Span } from "../../src/trace/span.ts";

export interface SpanRow {
  readonly span: Span;
  /** 0 for a root. */
  readonly depth: number;
  /** It names a parent that the trace does not have. */
  readonly isOrphan: boolean;
}

/**
 * The spans of a trace in the order of a waterfall: each below its parent, siblings by time.
 * Spans whose parents form a circle are shown as well; the earliest of them counts as a root.
 */
export function arrangeSpans(spans: readonly Span[]): SpanRow[] {
  const sorted = [...spans].sort((a, b) => startOf(a) - startOf(b));
  const own = new Map<string, Span>();
  const shared = new Map<string, Span>();
  for (const span of sorted) {
    const halves = span.shared ? shared : own;
    if (!halves.has(span.id)) halves.set(span.id, span);
  }

  const children = new Map<Span, Span[]>();
  const roots: Span[] = [];
  for (const span of sorted) {
    const parent = parentOf(span, own, shared);
    if (parent === undefined) roots.push(span);
    else if (children.has(parent)) children.get(parent)?.push(span);
    else children.set(parent, [span]);
  }

  const rows: SpanRow[] = [];
  const seen = new Set<Span>();
  for (const root of [...roots, ...sorted]) {
    // A stack, not recursion: a chain of 5,000 links is nested 10,000 levels deep.
    const stack: [span: Span, depth: number][] = [[root, 0]];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const [span, depth] = next;
      if (seen.has(span)) continue;
      seen.add(span);
      const isOrphan = depth === 0 && span.parentId !== undefined && !own.has(span.parentId);
      rows.push({ span, depth, isOrphan });
      for (const child of (children.get(span) ?? []).reverse()) stack.push([child, depth + 1]);
    }
  }
  return rows;
}

/** The server half of a shared span lies below the client half; what the server called lies below the server half. */
function parentOf(
  span: Span,
  own: ReadonlyMap<string, Span>,
  shared: ReadonlyMap<string, Span>,
): Span | undefined {
  if (span.shared && own.has(span.id)) return own.get(span.id);
  if (span.parentId === undefined) return undefined;
  return shared.get(span.parentId) ?? own.get(span.parentId);
}

function startOf(span: Span): number {
  return span.timestamp ?? Number.POSITIVE_INFINITY;
}
