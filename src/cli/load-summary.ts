import type { LoadResults } from "../load/generator.ts";

/** The results of a load, as `-o json` prints them. */
export interface LoadSummary {
  readonly requests: number;
  readonly succeeded: number;
  readonly failed: number;
  /** By status code or kind of failure. */
  readonly failures: Readonly<Record<string, number>>;
  /** Requests that were due but not begun. */
  readonly missed: number;
  readonly latencyMs: { readonly p50: number; readonly p90: number; readonly p99: number };
}

export function summarizeResults(results: LoadResults): LoadSummary {
  const ms = (quantile: number) => Number((results.latency.quantile(quantile) / 1000).toFixed(2));
  return {
    requests: results.sent,
    succeeded: results.succeeded,
    failed: [...results.failures.values()].reduce((sum, count) => sum + count, 0),
    failures: Object.fromEntries(results.failures),
    missed: results.missed,
    latencyMs: { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99) },
  };
}

/** One line for people. */
export function describeResults(summary: LoadSummary): string {
  const { requests, failed, failures, missed, latencyMs } = summary;
  const kinds = Object.entries(failures).map(([kind, count]) => `${count} × ${kind}`);
  const parts = [
    requests === 1 ? "1 request" : `${requests} requests`,
    failed === 0 ? "no failures" : `${failed} failed (${kinds.join(", ")})`,
    `p50 ${latencyMs.p50} ms, p90 ${latencyMs.p90} ms, p99 ${latencyMs.p99} ms`,
  ];
  if (missed > 0) parts.push(`${missed} were due but could not be sent: the rate was not reached`);
  return parts.join("; ");
}
