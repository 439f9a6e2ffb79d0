import type { Link } from "../link/link.ts";

/** A link's numbers at one moment. */
export interface LinkSnapshot {
  readonly requests: number;
  /** Answers with 5xx. */
  readonly errors: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly spansSent: number;
  readonly spansDropped: number;
}

export const EMPTY_SNAPSHOT: LinkSnapshot = {
  requests: 0,
  errors: 0,
  p50Ms: 0,
  p99Ms: 0,
  spansSent: 0,
  spansDropped: 0,
};

export function snapshotLink({ stats, reporter }: Link): LinkSnapshot {
  return {
    requests: stats.requests,
    errors: stats.errors,
    p50Ms: stats.latency.quantile(0.5) / 1000,
    p99Ms: stats.latency.quantile(0.99) / 1000,
    spansSent: reporter.sent,
    spansDropped: Object.values(reporter.dropped).reduce((sum, count) => sum + count, 0),
  };
}
