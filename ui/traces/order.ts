import type { TraceSummary } from "../../src/contract/trace-summary.ts";

/** What a list of traces can be ordered by, the largest first; by their start where nothing is asked for. */
const ORDERS = {
  started: (trace: TraceSummary) => trace.timestamp,
  duration: (trace: TraceSummary) => trace.duration,
  spans: (trace: TraceSummary) => trace.spanCount,
  services: (trace: TraceSummary) => trace.serviceCount,
} as const;

export type Order = keyof typeof ORDERS;

/** The order that an address asks for. */
export function orderOf(query: URLSearchParams): Order {
  const wanted = query.get("order");
  return wanted !== null && Object.hasOwn(ORDERS, wanted) ? (wanted as Order) : "started";
}

/** Of equal ones the newest stays first. */
export function inOrder(traces: readonly TraceSummary[], order: Order): readonly TraceSummary[] {
  const of = ORDERS[order];
  return traces.toSorted((a, b) => of(b) - of(a));
}
