import type { TraceSummary } from "../../src/contract/trace-summary.ts";

/** The orders of a list of traces, largest first. The default is by start. */
const ORDERS = {
  started: (trace: TraceSummary) => trace.timestamp,
  duration: (trace: TraceSummary) => trace.duration,
  spans: (trace: TraceSummary) => trace.spanCount,
  services: (trace: TraceSummary) => trace.serviceCount,
} as const;

export type Order = keyof typeof ORDERS;

/** The order requested by an address. */
export function orderOf(query: URLSearchParams): Order {
  const wanted = query.get("order");
  return wanted !== null && Object.hasOwn(ORDERS, wanted) ? (wanted as Order) : "started";
}

/** Sorts traces; the sort is stable, so that the newest of equal traces stays first. */
export function inOrder(traces: readonly TraceSummary[], order: Order): readonly TraceSummary[] {
  const of = ORDERS[order];
  return traces.toSorted((a, b) => of(b) - of(a));
}
