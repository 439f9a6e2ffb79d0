import { byLabel, LATENCY_BUCKETS_S, PrometheusText } from "../lib/prometheus.ts";
import type { Reporter } from "./reporter.ts";
import type { LinkStats } from "./stats.ts";

interface DescribedLink {
  readonly service: string;
  readonly version: string;
  /** Whether it records spans at all. */
  readonly isTracing: boolean;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** A link's counters in Prometheus' text format. */
export function renderMetrics(
  { service, version, isTracing, startedAt }: DescribedLink,
  stats: LinkStats,
  reporter: Reporter,
): string {
  const labels = { service, version, ...(isTracing ? {} : { tracing: "off" }) };
  const text = new PrometheusText()
    .gauge("chain_link_info", "The service of this process; always 1.", [[labels, 1]])
    .gauge("process_start_time_seconds", "Start of the link, in seconds since 1970.", startedAt / 1000);
  writeRequests(text, stats);
  writeCalls(text, stats);
  writeSpans(text, reporter);
  return text.toString();
}

function writeRequests(text: PrometheusText, stats: LinkStats): void {
  const statuses = [...stats.statuses].sort(([a], [b]) => a - b);
  text
    .counter("chain_link_requests_total", "Answered requests by status code.", byLabel("code", statuses))
    .gauge("chain_link_requests_in_flight", "Requests that are not answered yet.", stats.inFlight)
    .counter(
      "chain_link_unanswered_requests_total",
      "Requests that ended without an answer.",
      byLabel("reason", stats.unanswered),
    )
    .counter(
      "chain_link_injected_errors_total",
      "Failures that the topology asked for.",
      byLabel("kind", stats.injected),
    )
    .counter(
      "chain_link_refused_requests_total",
      "Requests that the link refused because it was starting or overloaded.",
      byLabel("reason", stats.refused),
    )
    .gauge("chain_link_requests_queued", "Requests that wait in the queue.", stats.queued)
    .histogram(
      "chain_link_request_duration_seconds",
      "Time to answer; bucket bounds are accurate to 6 %.",
      stats.latency,
      LATENCY_BUCKETS_S,
    );
}

function writeCalls(text: PrometheusText, stats: LinkStats): void {
  const failedCalls = [...stats.failedCalls].flatMap(([service, counts]) =>
    Array.from(counts, ([reason, count]) => [{ service, reason }, count] as const),
  );
  text
    .counter(
      "chain_link_failed_calls_total",
      "Attempts of calls that got no answer; docs/failures.md lists the reasons.",
      failedCalls,
    )
    .counter(
      "chain_link_retries_total",
      "Attempts of calls after the first.",
      byLabel("service", stats.retries),
    )
    .counter(
      "chain_link_refused_retries_total",
      "Retries that a retry budget did not allow.",
      byLabel("service", stats.refusedRetries),
    )
    .counter(
      "chain_link_broken_contexts_total",
      "Answers of callees that began a new trace although they were sent a context.",
      byLabel("service", stats.brokenContexts),
    );
}

function writeSpans(text: PrometheusText, reporter: Reporter): void {
  text
    .counter("chain_link_spans_sent_total", "Spans that the tracing backend accepted.", reporter.sent)
    .counter(
      "chain_link_spans_dropped_total",
      "Spans that did not reach the tracing backend, by reason.",
      byLabel("reason", Object.entries(reporter.dropped)),
    )
    .gauge("chain_link_spans_queued", "Spans that wait to be sent.", reporter.queued);
}
