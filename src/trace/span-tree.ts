import type { Span } from "./span.ts";

export interface SpanRow {
  readonly span: Span;
  /** 0 for a root. */
  readonly depth: number;
  /** Index of the parent's row, which precedes this one; -1 for a root. */
  readonly parent: number;
  /** The span names a parent that is not in the trace. */
  readonly isOrphan: boolean;
}

/**
 * Arranges the spans of a trace as a waterfall: each below its parent, siblings ordered by `startOf`.
 * Spans whose parents form a cycle appear as well; the earliest of them counts as a root.
 * This runs once per trace, before the engine has compiled it: maps from spans to lists, and `entries()`, which allocates
 * an array per element, tripled the time for 20,000 spans.
 */
export function arrangeSpans(
  spans: readonly Span[],
  startOf: (span: Span) => number = rawStartOf,
): SpanRow[] {
  const sorted = [...spans].sort((a, b) => startOf(a) - startOf(b));
  const { own, shared } = indexIds(sorted);

  // Each parent has its last child, and each child its preceding sibling: popping a stack puts the first one first.
  const lastChild = new Int32Array(sorted.length).fill(-1);
  const siblingBefore = new Int32Array(sorted.length).fill(-1);
  const parents = new Int32Array(sorted.length).fill(-1);
  const roots: number[] = [];
  sorted.forEach((span, index) => {
    const parent = findParent(span, index, own, shared);
    if (parent === undefined) {
      roots.push(index);
      return;
    }
    parents[index] = parent;
    siblingBefore[index] = lastChild[parent] as number;
    lastChild[parent] = index;
  });

  const rows: SpanRow[] = [];
  /** By index in `sorted`; -1 for a span that has no row yet. */
  const rowOf = new Int32Array(sorted.length).fill(-1);
  const walk = (root: number) => {
    // A stack instead of recursion: a chain of 5,000 links is nested 10,000 levels deep.
    const stack = [root];
    const depths = [0];
    for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
      const depth = depths.pop() as number;
      if (rowOf[next] !== -1) continue;
      rowOf[next] = rows.length;
      const span = sorted[next] as Span;
      const isOrphan = depth === 0 && span.parentId !== undefined && !own.has(span.parentId);
      const parent = depth === 0 ? -1 : (rowOf[parents[next] as number] as number);
      rows.push({ span, depth, parent, isOrphan });
      for (let child = lastChild[next] as number; child >= 0; child = siblingBefore[child] as number) {
        stack.push(child);
        depths.push(depth + 1);
      }
    }
  };
  for (const root of roots) walk(root);
  if (rows.length < sorted.length) for (const index of sorted.keys()) walk(index);
  return rows;
}

/** Indexes into the sorted spans, by span id. */
interface SpanIds {
  readonly own: ReadonlyMap<string, number>;
  /** Server halves of spans whose id is the client's (B3). */
  readonly shared: ReadonlyMap<string, number>;
}

/** As in Zipkin, a SERVER span with the id of a CLIENT span is its server half, even without the `shared` flag. */
function indexIds(sorted: readonly Span[]): SpanIds {
  const own = new Map<string, number>();
  const shared = new Map<string, number>();
  sorted.forEach((span, index) => {
    const halves = span.shared ? shared : own;
    const at = halves.get(span.id);
    if (at === undefined) {
      halves.set(span.id, index);
      return;
    }
    const other = sorted[at] as Span;
    const isClient = span.kind === "CLIENT" && other.kind === "SERVER";
    const isServer = span.kind === "SERVER" && other.kind === "CLIENT";
    if (isClient) own.set(span.id, index);
    if ((isClient || isServer) && !shared.has(span.id)) shared.set(span.id, isClient ? at : index);
  });
  return { own, shared };
}

/** The server half of a shared span is below the client half; the server's calls are below the server half. */
function findParent(span: Span, index: number, own: SpanIds["own"], shared: SpanIds["shared"]) {
  if ((span.shared || shared.get(span.id) === index) && own.has(span.id)) return own.get(span.id);
  if (span.parentId === undefined) return undefined;
  return shared.get(span.parentId) ?? own.get(span.parentId);
}

function rawStartOf(span: Span): number {
  return span.timestamp ?? Number.POSITIVE_INFINITY;
}
