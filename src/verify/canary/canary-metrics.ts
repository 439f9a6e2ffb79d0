import { TRACE_CLASSES } from "../../contract/trace-class.ts";
import { byLabel, PrometheusText } from "../../lib/prometheus.ts";
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
export function renderCanaryMetrics(totals: CanaryTotals): string {
  const { classes, windows, lastMs } = totals;
  return new PrometheusText()
    .counter(
      `${PREFIX}_traces_total`,
      "Judged requests by the class of their traces.",
      byLabel(
        "class",
        TRACE_CLASSES.map((name) => [name, classes[name]] as const),
      ),
    )
    .counter(`${PREFIX}_spans_expected_total`, "Spans recorded for judged requests.", totals.expected)
    .counter(
      `${PREFIX}_spans_missing_total`,
      "Expected spans that did not arrive, by link and reason.",
      Array.from(totals.losses.values(), ({ link, reason, spans }) => [{ link, reason }, spans] as const),
    )
    .counter(
      `${PREFIX}_spans_altered_total`,
      "Spans with another parent, service or kind than recorded.",
      totals.altered,
    )
    .counter(`${PREFIX}_spans_copied_total`, "Additional copies of spans.", totals.copies)
    .counter(`${PREFIX}_spans_unexpected_total`, "Spans of links that are in no ledger.", totals.unexpected)
    .counter(
      `${PREFIX}_broken_contexts_total`,
      "Traces whose context was lost, by edge.",
      byLabel("edge", totals.brokenEdges),
    )
    .counter(
      `${PREFIX}_windows_total`,
      "Judged windows by outcome.",
      byLabel(
        "outcome",
        OUTCOMES.map((outcome) => [outcome, windows[outcome]] as const),
      ),
    )
    .gauge(`${PREFIX}_windows_open`, "Windows that are not judged yet.", totals.openWindows)
    .counter(
      `${PREFIX}_windows_skipped_total`,
      "Windows without requests, because too many were open.",
      totals.skippedWindows,
    )
    .counter(`${PREFIX}_backend_failures_total`, "Failed attempts to read the backend.", totals.failedReads)
    .gauge(`${PREFIX}_up`, "Whether the last window could be judged.", Number(!totals.isBlind))
    .gauge(
      `${PREFIX}_last_success_timestamp_seconds`,
      "When a window was last complete; 0: never.",
      lastMs.complete / 1000,
    )
    .gauge(
      `${PREFIX}_last_failure_timestamp_seconds`,
      "When a window was last incomplete; 0: never.",
      lastMs.incomplete / 1000,
    )
    .histogram(
      `${PREFIX}_export_latency_seconds`,
      "From the end of a request until its trace was complete; bucket bounds are accurate to 6 %.",
      totals.exportLatency,
      BUCKETS_S,
    )
    .toString();
}
