import type { StoreCounts } from "./store.ts";

/** What came in over HTTP since the start. */
export class CollectorMetrics {
  messages = 0;
  messagesDropped = 0;
  bytes = 0;
  spans = 0;
  spansDropped = 0;
  /** Of `spansDropped`, those of traces that the sample rate leaves out. */
  spansSampledOut = 0;
  /** Of the last message. */
  messageBytes = 0;
  messageSpans = 0;
}

/** The names of Zipkin's own `/metrics`, and ours for what Zipkin does not tell. */
export function formatActuator(metrics: CollectorMetrics): Record<string, number> {
  const ofKind = (kind: string, values: Readonly<Record<string, number>>) =>
    Object.entries(values).map(([name, value]) => [`${kind}.zipkin_collector.${name}.http`, value]);
  return {
    ...Object.fromEntries([...ofKind("counter", countersOf(metrics)), ...ofKind("gauge", gaugesOf(metrics))]),
    "counter.chain_link_collector.spans_sampled_out": metrics.spansSampledOut,
  };
}

/** https://prometheus.io/docs/instrumenting/exposition_formats/ with Zipkin's names, and the store's numbers under ours. */
export function formatPrometheus(metrics: CollectorMetrics, counts: StoreCounts): string {
  const { traces, spans, evictedSpans, refusedSpans, duplicateSpans } = counts;
  const gone = { evicted: evictedSpans, refused: refusedSpans, duplicate: duplicateSpans };
  return [
    ...Object.entries(countersOf(metrics)).flatMap(([name, value]) =>
      describe(`zipkin_collector_${name}_total`, "counter", [['{transport="http"}', value]]),
    ),
    ...Object.entries(gaugesOf(metrics)).flatMap(([name, value]) =>
      describe(`zipkin_collector_${name}`, "gauge", [['{transport="http"}', value]]),
    ),
    ...describe("chain_link_collector_traces", "gauge", [["", traces]]),
    ...describe("chain_link_collector_spans", "gauge", [["", spans]]),
    ...describe(
      "chain_link_collector_spans_gone_total",
      "counter",
      Object.entries({ ...gone, sampled_out: metrics.spansSampledOut }).map(
        ([reason, value]) => [`{reason="${reason}"}`, value] as const,
      ),
    ),
    "",
  ].join("\n");
}

function describe(
  name: string,
  type: "counter" | "gauge",
  samples: readonly (readonly [labels: string, value: number])[],
): string[] {
  return [`# TYPE ${name} ${type}`, ...samples.map(([labels, value]) => `${name}${labels} ${value}`)];
}

function countersOf({ messages, messagesDropped, bytes, spans, spansDropped }: CollectorMetrics) {
  return {
    messages,
    messages_dropped: messagesDropped,
    bytes,
    spans,
    spans_dropped: spansDropped,
  };
}

function gaugesOf({ messageBytes, messageSpans }: CollectorMetrics) {
  return { message_bytes: messageBytes, message_spans: messageSpans };
}
