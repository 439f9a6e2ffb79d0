import type { FailureReason } from "../http/failure.ts";
import { Histogram } from "../lib/histogram.ts";
import type { ErrorRuleKind } from "../topology/model.ts";
import type { Refusal } from "./refusal.ts";
import type { Cause } from "./tags.ts";

/** Counts occurrences by key. */
export class Counts<K extends string> extends Map<K, number> {
  add(key: K): void {
    this.set(key, (this.get(key) ?? 0) + 1);
  }

  get total(): number {
    let total = 0;
    for (const count of this.values()) total += count;
    return total;
  }
}

/** The counters of one link since its start. */
export class LinkStats {
  /** Durations of answered requests in microseconds. */
  readonly latency = new Histogram();
  /** Answers by status code. */
  readonly statuses = new Map<number, number>();
  /** Number of 5xx answers, and of requests without an answer. */
  errors = 0;
  /** Failures that the topology asked for, by kind. */
  readonly injected = new Counts<ErrorRuleKind>();
  /** Refused requests, by reason. */
  readonly refused = new Counts<Refusal>();
  /** Requests that ended without an answer, by reason. */
  readonly unanswered = new Counts<Cause>();
  /** Retries, and retries that a budget did not allow, by callee. */
  readonly retries = new Counts<string>();
  readonly refusedRetries = new Counts<string>();
  /** Attempts of calls without an answer, by callee and reason. */
  readonly failedCalls = new Map<string, Counts<FailureReason>>();
  /** Answers of callees that began a new trace, by callee. */
  readonly brokenContexts = new Counts<string>();
  inFlight = 0;
  /** The part of `inFlight` that waits in a queue. */
  queued = 0;
  /** Readiness fails, but requests are still served. */
  isDraining = false;

  get requests(): number {
    return this.latency.count + this.unanswered.total;
  }

  recordRequest(status: number, durationMs: number): void {
    this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
    if (status >= 500) this.errors++;
    this.latency.record(durationMs * 1000);
  }

  recordFailedCall(service: string, reason: FailureReason): void {
    const counts = this.failedCalls.get(service) ?? new Counts<FailureReason>();
    this.failedCalls.set(service, counts);
    counts.add(reason);
  }

  recordUnanswered(cause: Cause): void {
    this.unanswered.add(cause);
    this.errors++;
  }
}
