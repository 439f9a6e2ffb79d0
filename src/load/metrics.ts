// https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
import type { LoadResults } from "./results.ts";
import type { RunLedgerWriter } from "./run-ledger-writer.ts";

/** Upper bounds of the buckets of latency, in seconds: those of the links. */
const BUCKETS_S = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** A load's counters in Prometheus' text format. */
export function renderMetrics(results: LoadResults, account: RunLedgerWriter): string {
  const { latency } = results;
  const lines = [
    ...metric("chain_link_load_requests_sent_total", "counter", "Requests begun, without the warm-up."),
    `chain_link_load_requests_sent_total ${results.sent}`,
    ...metric("chain_link_load_requests_succeeded_total", "counter", "Answers below 400."),
    `chain_link_load_requests_succeeded_total ${results.succeeded}`,
    ...metric(
      "chain_link_load_requests_failed_total",
      "counter",
      "Other answers by status code, and requests without an answer by what happened.",
    ),
    ...[...results.failures].map(
      ([kind, count]) => `chain_link_load_requests_failed_total{kind="${kind}"} ${count}`,
    ),
    ...metric("chain_link_load_requests_delayed_total", "counter", "Requests that waited for a connection."),
    `chain_link_load_requests_delayed_total ${results.delayed}`,
    ...metric("chain_link_load_requests_missed_total", "counter", "Requests that were due and never begun."),
    `chain_link_load_requests_missed_total ${results.missed}`,
    ...metric("chain_link_load_requests_in_flight", "gauge", "Requests that are not answered yet."),
    `chain_link_load_requests_in_flight ${results.inFlight}`,
    ...metric(
      "chain_link_load_broken_contexts_total",
      "counter",
      "Answers that name another trace than the one that was sent.",
    ),
    `chain_link_load_broken_contexts_total ${results.brokenContexts}`,
    ...metric("chain_link_load_ledger_records", "gauge", "Records of the run's account that can be read."),
    `chain_link_load_ledger_records ${account.count - account.firstKept}`,
    ...metric(
      "chain_link_load_latency_seconds",
      "histogram",
      "From the moment a request was due until its end.",
    ),
    ...BUCKETS_S.map(
      (bound) => `chain_link_load_latency_seconds_bucket{le="${bound}"} ${latency.countUpTo(bound * 1e6)}`,
    ),
    `chain_link_load_latency_seconds_bucket{le="+Inf"} ${latency.count}`,
    `chain_link_load_latency_seconds_sum ${latency.sum / 1e6}`,
    `chain_link_load_latency_seconds_count ${latency.count}`,
  ];
  return `${lines.join("\n")}\n`;
}

function metric(name: string, type: "counter" | "gauge" | "histogram", help: string): string[] {
  return [`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`];
}
