import type { Ledger } from "../../trace/ledger.ts";
import { BacktrackingSearch, keyOf } from "./backtracking-search.ts";
import type { CallGraph } from "./call-graph.ts";
import type { Digest } from "./digest.ts";
import type { TraceView } from "./trace-view.ts";
import type { MissingSpan } from "./verdict.ts";

/** What can be said of the missing spans. */
export interface Completion {
  readonly missing: readonly MissingSpan[];
  /** Missing, too, but it may be one or another. */
  readonly unattributed: number;
  /** The digest confirms it. */
  readonly isProved: boolean;
}

/** There is no way: something else has happened than losses. */
export const IMPOSSIBLE = "impossible";

/**
 * Finds the ways in which the graph's rules allow to complete a trace with exactly as many spans as the ledger misses,
 * and says what all ways have in common. `null` when there are too many to look at.
 * @param reached Spans below which some link was visited; the ledger knows the spans of calls that got no answer, too, then
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
    // A trace deeper than the stack.
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
