// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format

import { TRACE_CLASSES } from "../judge/verdict.ts";
import type { CanaryTotals } from "./canary-totals.ts";

/**
 * Bucket bounds of export latency, in seconds. Exporters send every one to five seconds, and the canary
 * waits up to a minute.
 */
const BUCKETS_S = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
const OUTCOMES = ["complete", "incomplete", "could-not-tell"] as const;
const PREFIX = "chain_link_verify";

/**
 * Renders a canary's totals in Prometheus text format. Every class and outcome is present from the start, so
 * that rates begin at 0.
 */
export function renderCanaryMetrics(account: CanaryTotals): string {
  const { exportLatency, lastMs } = account;
  const lines = [
    ...metric("traces_total", "counter", "Judged requests by class of their trace."),
    ...TRACE_CLASSES.map((name) => sample("traces_total", account.classes[name], { class: name })),
    ...metric("spans_expected_total", "counter", "Spans that were recorded for judged requests."),
    sample("spans_expected_total", account.expected),
    ...metric("spans_missing_total", "counter", "Of these, spans that did not arrive, by link and reason."),
    ...[...account.losses.values()].map(({ link, reason, spans }) =>
      sample("spans_missing_total", spans, { link, reason }),
    ),
    ...metric("spans_altered_total", "counter", "Spans with another parent, service or kind than recorded."),
    sample("spans_altered_total", account.altered),
    ...metric("spans_copied_total", "counter", "Extra copies of spans."),
    sample("spans_copied_total", account.copies),
    ...metric("spans_unexpected_total", "counter", "Spans of links that no ledger covers."),
    sample("spans_unexpected_total", account.unexpected),
    ...metric("broken_contexts_total", "counter", "Traces whose context was lost, by edge."),
    ...[...account.brokenEdges].map(([edge, count]) => sample("broken_contexts_total", count, { edge })),
    ...metric("windows_total", "counter", "Judged windows by outcome."),
    ...OUTCOMES.map((outcome) => sample("windows_total", account.windows[outcome], { outcome })),
    ...metric("windows_open", "gauge", "Windows that are not judged yet."),
    sample("windows_open", account.openWindows),
    ...metric("windows_skipped_total", "counter", "Windows skipped because too many were open."),
    sample("windows_skipped_total", account.skippedWindows),
    ...metric("backend_failures_total", "counter", "Times that the backend could not be read."),
    sample("backend_failures_total", account.failedReads),
    ...metric("up", "gauge", "Whether the last window could be judged."),
    sample("up", Number(!account.isBlind)),
    ...metric("last_success_timestamp_seconds", "gauge", "When a window was last complete; 0: never."),
    sample("last_success_timestamp_seconds", lastMs.complete / 1000),
    ...metric("last_failure_timestamp_seconds", "gauge", "When a window was last incomplete; 0: never."),
    sample("last_failure_timestamp_seconds", lastMs.incomplete / 1000),
    ...metric(
      "export_latency_seconds",
      "histogram",
      "From the end of a request until its trace was seen complete; bucket bounds are accurate to 6 %.",
    ),
    ...BUCKETS_S.map((le) =>
      sample("export_latency_seconds_bucket", exportLatency.countUpTo(le * 1e6), { le: String(le) }),
    ),
    sample("export_latency_seconds_bucket", exportLatency.count, { le: "+Inf" }),
    sample("export_latency_seconds_sum", exportLatency.sum / 1e6),
    sample("export_latency_seconds_count", exportLatency.count),
  ];
  return `${lines.join("\n")}\n`;
}

function metric(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${PREFIX}_${name} ${help}`, `# TYPE ${PREFIX}_${name} ${type}`];
}

function sample(name: string, value: number, labels: Readonly<Record<string, string>> = {}): string {
  const pairs = Object.entries(labels).map(([label, text]) => `${label}="${escapeText(text)}"`);
  return `${PREFIX}_${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${value}`;
}

/** Service names come from traces and may contain any character. */
function escapeText(text: string): string {
  return text.replace(/[\\"]/g, "\\$&").replaceAll("\n", "\\n");
}
