import type { Link } from "../link/link.ts";
import type { DropReason } from "../link/reporter.ts";

/** A link's numbers at one point in time. */
export interface LinkSnapshot {
  readonly requests: number;
  /** Number of 5xx answers. */
  readonly errors: number;
  /** Milliseconds. */
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly spansSent: number;
  readonly spansQueued: number;
  /** By reason. */
  readonly spansDropped: Readonly<Record<DropReason, number>>;
}

export const EMPTY_SNAPSHOT: LinkSnapshot = {
  requests: 0,
  errors: 0,
  p50Ms: 0,
  p99Ms: 0,
  spansSent: 0,
  spansQueued: 0,
  spansDropped: { queue_full: 0, rejected: 0, unavailable: 0, shutdown: 0 },
};

export function snapshotLink({ stats, reporter }: Link): LinkSnapshot {
  return {
    requests: stats.requests,
    errors: stats.errors,
    p50Ms: stats.latency.quantile(0.5) / 1000,
    p99Ms: stats.latency.quantile(0.99) / 1000,
    spansSent: reporter.sent,
    spansQueued: reporter.queued,
    spansDropped: { ...reporter.dropped },
  };
}

/** The number of dropped spans, for any reason. */
export function countDropped({ spansDropped }: LinkSnapshot): number {
  return Object.values(spansDropped).reduce((sum, count) => sum + count, 0);
}
