import { Histogram } from "../lib/histogram.ts";

/** What one link has done since its start. */
export class LinkStats {
  /** Durations of answered requests in microseconds. */
  readonly latency = new Histogram();
  /** Answers by status code. */
  readonly statuses = new Map<number, number>();
  /** Answers with 5xx. */
  errors = 0;
  injectedErrors = 0;
  inFlight = 0;
  /** Readiness says no; requests are still served. */
  isDraining = false;

  get requests(): number {
    return this.latency.count;
  }

  recordRequest(status: number, durationMs: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (status >= 500) this.errors++;
    this.latency.record(durationMs * 1000);
  }
}
