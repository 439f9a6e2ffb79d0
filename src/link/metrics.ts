// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
import type { Reporter } from "./reporter.ts";
import type { LinkStats } from "./stats.ts";

/** Upper bounds of the buckets of request durations, in seconds; Prometheus' own defaults and two finer ones. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export interface DescribedLink {
  readonly service: string;
  readonly version: string;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}

/** A link's counters in Prometheus' text format. */
export function renderMetrics(
  { service, version, startedAt }: DescribedLink,
  stats: LinkStats,
  reporter: Reporter,
): string {
  const { latency } = stats;
  const lines = [
    ...metric("chain_link_info", "gauge", "Which service this process is, always 1."),
    `chain_link_info{service=${JSON.stringify(service)},version=${JSON.stringify(version)}} 1`,
    ...metric("process_start_time_seconds", "gauge", "When the link was started, in seconds since 1970."),
    `process_start_time_seconds ${startedAt / 1000}`,
    ...metric("chain_link_requests_total", "counter", "Answered requests by status code."),
    ...[...stats.statuses]
      .sort(([a], [b]) => a - b)
      .map(([code, count]) => `chain_link_requests_total{code="${code}"} ${count}`),
    ...metric("chain_link_requests_in_flight", "gauge", "Requests that are not answered yet."),
    `chain_link_requests_in_flight ${stats.inFlight}`,
    ...counter(
      "chain_link_unanswered_requests_total",
      "Requests that ended without an answer.",
      "reason",
      stats.unanswered,
    ),
    ...counter(
      "chain_link_injected_errors_total",
      "Failures that the topology asked for.",
      "kind",
      stats.injected,
    ),
    ...counter(
      "chain_link_refused_requests_total",
      "Requests turned away by a link that starts or has too many.",
      "reason",
      stats.refused,
    ),
    ...metric("chain_link_requests_queued", "gauge", "Requests that wait in line for others to end."),
    `chain_link_requests_queued ${stats.queued}`,
    ...metric(
      "chain_link_failed_calls_total",
      "counter",
      "Attempts of calls that got no answer; docs/failures.md lists the reasons.",
    ),
    ...[...stats.failedCalls].flatMap(([callee, counts]) =>
      [...counts].map(
        ([reason, count]) =>
          `chain_link_failed_calls_total{service=${JSON.stringify(callee)},reason="${reason}"} ${count}`,
      ),
    ),
    ...counter("chain_link_retries_total", "Attempts of calls after the first.", "service", stats.retries),
    ...counter(
      "chain_link_refused_retries_total",
      "Attempts that a retry budget did not allow.",
      "service",
      stats.refusedRetries,
    ),
    ...metric(
      "chain_link_request_duration_seconds",
      "histogram",
      "Time to answer; bucket bounds are accurate to 6 %.",
    ),
    ...BUCKETS_S.map(
      (bound) =>
        `chain_link_request_duration_seconds_bucket{le="${bound}"} ${latency.countUpTo(bound * 1e6)}`,
    ),
    `chain_link_request_duration_seconds_bucket{le="+Inf"} ${latency.count}`,
    `chain_link_request_duration_seconds_sum ${latency.sum / 1e6}`,
    `chain_link_request_duration_seconds_count ${latency.count}`,
    ...counter(
      "chain_link_broken_contexts_total",
      "Answers of callees that had to begin a trace although they were sent ours.",
      "service",
      stats.brokenContexts,
    ),
    ...metric("chain_link_spans_sent_total", "counter", "Spans that the tracing backend took."),
    `chain_link_spans_sent_total ${reporter.sent}`,
    ...metric(
      "chain_link_spans_dropped_total",
      "counter",
      "Spans that did not reach the tracing backend, by reason.",
    ),
    ...Object.entries(reporter.dropped).map(
      ([reason, count]) => `chain_link_spans_dropped_total{reason="${reason}"} ${count}`,
    ),
    ...metric("chain_link_spans_queued", "gauge", "Spans that wait to be sent."),
    `chain_link_spans_queued ${reporter.queued}`,
  ];
  return `${lines.join("\n")}\n`;
}

/** A counter with one label. */
function counter(name: string, help: string, label: string, counts: ReadonlyMap<string, number>): string[] {
  return [
    ...metric(name, "counter", help),
    ...[...counts].map(([value, count]) => `${name}{${label}="${value}"} ${count}`),
  ];
}

function metric(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
