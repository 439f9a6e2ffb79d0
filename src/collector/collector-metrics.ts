import type { StoreCounts } from "../contract/collector-counts.ts";
import { byLabel, PrometheusText } from "../lib/prometheus.ts";

/** Totals of what arrived over HTTP since the collector started. */
export class CollectorMetrics {
  messages = 0;
  messagesDropped = 0;
  bytes = 0;
  spans = 0;
  spansDropped = 0;
  /** The part of `spansDropped` that the sample rate left out. */
  spansSampledOut = 0;
  /** Values of the last message. */
  messageBytes = 0;
  messageSpans = 0;
}

/** Formats the metrics under the names of Zipkin's own `/metrics`, and under our names where Zipkin has none. */
export function formatActuator(metrics: CollectorMetrics): Record<string, number> {
  const ofKind = (kind: string, values: Readonly<Record<string, number>>) =>
    Object.entries(values).map(([name, value]) => [`${kind}.zipkin_collector.${name}.http`, value]);
  return {
    ...Object.fromEntries([...ofKind("counter", countersOf(metrics)), ...ofKind("gauge", gaugesOf(metrics))]),
    "counter.chain_link_collector.spans_sampled_out": metrics.spansSampledOut,
  };
}

/** Formats the metrics as Prometheus text: Zipkin's names for its metrics, our names for those of the store. */
export function formatPrometheus(metrics: CollectorMetrics, counts: StoreCounts): string {
  const { traces, spans, evictedSpans, refusedSpans, duplicateSpans } = counts;
  const gone = { evicted: evictedSpans, refused: refusedSpans, duplicate: duplicateSpans };
  const text = new PrometheusText();
  const overHttp = (value: number) => [[{ transport: "http" }, value]] as const;
  for (const [name, value] of Object.entries(countersOf(metrics)))
    text.counter(`zipkin_collector_${name}_total`, HELP[name as keyof typeof HELP], overHttp(value));
  for (const [name, value] of Object.entries(gaugesOf(metrics)))
    text.gauge(`zipkin_collector_${name}`, HELP[name as keyof typeof HELP], overHttp(value));
  return text
    .gauge("chain_link_collector_traces", "Traces in the store.", traces)
    .gauge("chain_link_collector_spans", "Spans in the store.", spans)
    .counter(
      "chain_link_collector_spans_gone_total",
      "Received spans that are not in the store, by reason.",
      byLabel("reason", Object.entries({ ...gone, sampled_out: metrics.spansSampledOut })),
    )
    .toString();
}

const HELP = {
  messages: "Messages received.",
  messages_dropped: "Messages rejected because they were malformed or too large.",
  bytes: "Bytes of the messages received.",
  spans: "Spans received.",
  spans_dropped: "Received spans that were not stored.",
  message_bytes: "Bytes of the last message.",
  message_spans: "Spans in the last message.",
} as const;

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
