import type { Histogram } from "../../lib/histogram.ts";
import type { LoadResults } from "../../load/results.ts";

/** Milliseconds. */
export interface Latencies {
  readonly min: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

/** The results of a load, as `-o json` prints them. Everything but `warmUpRequests` excludes the warm-up. */
export interface LoadSummary {
  readonly requests: number;
  readonly succeeded: number;
  readonly failed: number;
  /** Number of failures by status code or kind. */
  readonly failures: Readonly<Record<string, number>>;
  readonly warmUpRequests: number;
  /** Time that the requests represent: each one represents the time until the next one is due. */
  readonly seconds: number;
  readonly requestsPerSecond: number;
  /** Whether requests started at the requested rate; `null` in a closed loop, which has no rate. */
  readonly isRateReached: boolean | null;
  /** Requests that were due but never started. */
  readonly missed: number;
  /** Requests that were due while no connection was free. */
  readonly delayed: number;
  readonly maxInFlight: number;
  readonly repeated: number;
  readonly brokenContexts: number;
  /** Latency of all requests, measured from when each was due. */
  readonly latencyMs: Latencies;
  readonly succeededLatencyMs: Latencies;
  /** Time from when a request was due until it was sent. */
  readonly sendLagMs: Latencies;
}

export function summarizeResults(results: LoadResults, isOpen = true): LoadSummary {
  const seconds = Math.max(0, endOf(results) - results.startMs) / 1000;
  return {
    requests: results.sent,
    succeeded: results.succeeded,
    failed: results.failed,
    failures: Object.fromEntries(results.failures),
    warmUpRequests: results.warmUp,
    seconds: round(seconds),
    requestsPerSecond: seconds === 0 ? 0 : round(results.sent / seconds),
    isRateReached: isOpen ? results.isRateReached : null,
    missed: results.missed,
    delayed: results.delayed,
    maxInFlight: results.maxInFlight,
    repeated: results.repeated,
    brokenContexts: results.brokenContexts,
    latencyMs: latenciesOf(results.latency),
    succeededLatencyMs: latenciesOf(results.succeededLatency),
    sendLagMs: latenciesOf(results.sendLag),
  };
}

function endOf({ endMs, nextDueMs }: LoadResults): number {
  if (endMs === null) return performance.now();
  return nextDueMs === null || nextDueMs === Number.POSITIVE_INFINITY ? endMs : Math.max(endMs, nextDueMs);
}

function latenciesOf(histogram: Histogram): Latencies {
  const ms = (micros: number) => round(micros / 1000);
  const quantile = (q: number) => ms(histogram.quantile(q));
  return {
    min: ms(histogram.min),
    mean: ms(histogram.mean),
    p50: quantile(0.5),
    p90: quantile(0.9),
    p99: quantile(0.99),
    p999: quantile(0.999),
    max: ms(histogram.max),
  };
}

function round(value: number): number {
  return Number(value.toFixed(3));
}

/** Renders the results as one line for people. */
export function describeResults(summary: LoadSummary): string {
  const { requests, missed, latencyMs } = summary;
  const parts = [
    requests === 1 ? "1 request" : `${requests} requests`,
    describeFailures(summary),
    `p50 ${latencyMs.p50} ms, p90 ${latencyMs.p90} ms, p99 ${latencyMs.p99} ms`,
  ];
  if (missed > 0) parts.push(`${missed} were due but could not be sent: the rate was not reached`);
  return parts.join("; ");
}

export function describeFailures({ failed, failures }: Pick<LoadSummary, "failed" | "failures">): string {
  const kinds = Object.entries(failures)
    .toSorted(([, a], [, b]) => b - a)
    .map(([kind, count]) => `${count} × ${kind}`);
  return failed === 0 ? "no failures" : `${failed} failed (${kinds.join(", ")})`;
}
