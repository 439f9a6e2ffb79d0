import type { StoreCounts } from "./store.ts";

/** What came in over HTTP since the start. */
export class CollectorMetrics {
  messages = 0;
  messagesDropped = 0;
  bytes = 0;
  spans = 0;
  spansDropped = 0;
}

/** The names of Zipkin's own `/metrics`. */
export function formatActuator(metrics: CollectorMetrics): Record<string, number> {
  return Object.fromEntries(
    countersOf(metrics).map(([name, value]) => [`counter.zipkin_collector.${name}.http`, value]),
  );
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/ with Zipkin's names, and the store's numbers under ours. */
export function formatPrometheus(metrics: CollectorMetrics, counts: StoreCounts): string {
  const lines = countersOf(metrics).map(
    ([name, value]) =>
      `# TYPE zipkin_collector_${name}_total counter\nzipkin_collector_${name}_total{transport="http"} ${value}`,
  );
  const { traces, spans, evictedSpans, refusedSpans, duplicateSpans } = counts;
  lines.push(`# TYPE chain_link_collector_traces gauge\nchain_link_collector_traces ${traces}`);
  lines.push(`# TYPE chain_link_collector_spans gauge\nchain_link_collector_spans ${spans}`);
  const gone = { evicted: evictedSpans, refused: refusedSpans, duplicate: duplicateSpans };
  lines.push("# TYPE chain_link_collector_spans_gone_total counter");
  for (const [reason, value] of Object.entries(gone))
    lines.push(`chain_link_collector_spans_gone_total{reason="${reason}"} ${value}`);
  return `${lines.join("\n")}\n`;
}

function countersOf({ messages, messagesDropped, bytes, spans, spansDropped }: CollectorMetrics) {
  return Object.entries({
    messages,
    messages_dropped: messagesDropped,
    bytes,
    spans,
    spans_dropped: spansDropped,
  });
}
