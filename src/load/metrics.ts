import { byLabel, LATENCY_BUCKETS_S, PrometheusText } from "../lib/prometheus.ts";
import type { LoadResults } from "./results.ts";
import type { RunLedgerWriter } from "./run-ledger-writer.ts";

/** A load's counters in Prometheus' text format. */
export function renderMetrics(results: LoadResults, ledger: RunLedgerWriter): string {
  return new PrometheusText()
    .counter("chain_link_load_requests_sent_total", "Requests sent, without the warm-up.", results.sent)
    .counter(
      "chain_link_load_requests_succeeded_total",
      "Answers with a status below 400.",
      results.succeeded,
    )
    .counter(
      "chain_link_load_requests_failed_total",
      "Other answers by status code, and requests without an answer by reason.",
      byLabel("kind", results.failures),
    )
    .counter(
      "chain_link_load_requests_delayed_total",
      "Requests that waited for a connection.",
      results.delayed,
    )
    .counter(
      "chain_link_load_requests_missed_total",
      "Requests that were due but never sent.",
      results.missed,
    )
    .gauge("chain_link_load_requests_in_flight", "Requests that are not answered yet.", results.inFlight)
    .counter(
      "chain_link_load_broken_contexts_total",
      "Answers that name a trace other than the one sent.",
      results.brokenContexts,
    )
    .gauge(
      "chain_link_load_ledger_records",
      "Records of the run's ledger that can be read.",
      ledger.count - ledger.firstKept,
    )
    .histogram(
      "chain_link_load_latency_seconds",
      "From the time a request was due until its end.",
      results.latency,
      LATENCY_BUCKETS_S,
    )
    .toString();
}
