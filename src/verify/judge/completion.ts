import type { Ledger } from "../../trace/ledger.ts";
import { BacktrackingSearch, keyOf } from "./backtracking-search.ts";
import type { CallGraph } from "./call-graph.ts";
import type { Digest } from "./digest.ts";
import type { TraceView } from "./trace-view.ts";
import type { MissingSpan } from "./verdict.ts";

/** What is known about the missing spans. */
export interface Completion {
  readonly missing: readonly MissingSpan[];
  /** Number of missing spans that could be one of several. */
  readonly unattributed: number;
  /** Whether the digest proves it. */
  readonly isProved: boolean;
}

/** No set of losses explains the trace: something else happened to it. */
export const IMPOSSIBLE = "impossible";

/**
 * Finds every way to complete a trace under the graph's rules with exactly as many spans as the ledger
 * misses, and returns what all of them have in common. Returns `null` when there are too many to try.
 * @param reached Spans below which a link was visited, if the links were asked; the ledger then also covers
 * calls without an answer
 */
export function completeTrace(
  view: TraceView,
  ledger: Ledger,
  graph: CallGraph,
  residual: Digest,
  reached?: ReadonlySet<string>,
): Completion | typeof IMPOSSIBLE | null {
  const search = new BacktrackingSearch(view, ledger, graph, residual, reached);
  try {
    search.run();
  } catch (error) {
    // The trace is deeper than the stack.
    if (!(error instanceof RangeError)) throw error;
    return null;
  }
  if (search.proof !== null) return { missing: search.proof, unattributed: 0, isProved: true };
  if (search.isExhausted) return null;
  if (search.solutions.size === 0) return IMPOSSIBLE;
  return intersect([...search.solutions.values()]);
}

function intersect(solutions: readonly (readonly MissingSpan[])[]): Completion {
  const [first = [], ...others] = solutions;
  const counts = others.map((solution) => countBy(solution));
  const missing: MissingSpan[] = [];
  const used = new Map<string, number>();
  for (const span of first) {
    const key = keyOf(span);
    const index = (used.get(key) ?? 0) + 1;
    if (!counts.every((count) => (count.get(key) ?? 0) >= index)) continue;
    used.set(key, index);
    missing.push(span);
  }
  return { missing, unattributed: first.length - missing.length, isProved: false };
}

function countBy(spans: readonly MissingSpan[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const span of spans) counts.set(keyOf(span), (counts.get(keyOf(span)) ?? 0) + 1);
  return counts;
}
