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
  /** Answers of callees that had to begin a trace of their own, by callee. */
  readonly brokenContexts = new Map<string, number>();
  inFlight = 0;
  /** Readiness says no; requests are still served. */
  isDraining = false;

  get requests(): number {
    return this.latency.count;
  }

  recordBrokenContext(service: string): void {
    this.brokenContexts.set(service, (this.brokenContexts.get(service) ?? 0) + 1);
  }

  recordRequest(status: number, durationMs: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (status >= 500) this.errors++;
    this.latency.record(durationMs * 1000);
  }
}
