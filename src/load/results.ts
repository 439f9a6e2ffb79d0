import { Histogram, THREE_DIGITS } from "../lib/histogram.ts";

/** Results of a load so far, without its warm-up. Durations are in microseconds. */
export class LoadResults {
  /** Requests sent. */
  sent = 0;
  /** Answers with a status below 400. */
  succeeded = 0;
  /** Failures by status code, or by the reason for a missing answer: `timeout`, `connection_refused`, …. */
  readonly failures = new Map<string, number>();
  /** Requests that were due when the load ended or its rate changed, but were never sent. */
  missed = 0;
  /** Requests that were due while the maximum number was in flight. */
  delayed = 0;
  /** Answers that name a trace other than the one sent. */
  brokenContexts = 0;
  /** Requests repeated because a reused connection turned out to be closed. */
  repeated = 0;
  /** Requests of the warm-up; they are not counted anywhere else. */
  warmUp = 0;
  inFlight = 0;
  maxInFlight = 0;
  /** From the time a request was due until its end, which includes its waiting time in this process. */
  readonly latency = new Histogram(THREE_DIGITS);
  /** The same for requests that succeeded. */
  readonly succeededLatency = new Histogram(THREE_DIGITS);
  /** From the time a request was due until it was given to a connection: the error of the load generator itself. */
  readonly sendLag = new Histogram(THREE_DIGITS);
  /** Start after the warm-up, and end, as times of `performance.now()`; the end is `null` while the load runs. */
  startMs = 0;
  endMs: number | null = null;
  /**
   * When the next request would have been due if an open loop ended by its number of requests: the last request accounts
   * for the time until then, as every earlier one does.
   */
  nextDueMs: number | null = null;
  /** When the last request was due. */
  lastDueMs = 0;
  lastSentMs = 0;

  get failed(): number {
    let sum = 0;
    for (const count of this.failures.values()) sum += count;
    return sum;
  }

  /** Whether an open loop, at its end, has sent its requests at the intended rate and on time. */
  get isRateReached(): boolean {
    const intendedMs = this.lastDueMs - this.startMs;
    const tookMs = this.lastSentMs - this.startMs;
    return this.missed === 0 && tookMs <= intendedMs * 1.01 + RATE_SLACK_MS && !this.isMostlyLate;
  }

  /** The right number of requests was sent, but in bursts: the target had a different load than the intended one. */
  get isMostlyLate(): boolean {
    return this.sendLag.quantile(0.5) > LATE_MS * 1000;
  }
}

/** A last request this late does not mean a lower rate: any program is occasionally suspended for this long. */
const RATE_SLACK_MS = 250;
/** If half of all requests are later than this, the schedule was not kept, even by a process that is sometimes suspended for 10 ms. */
const LATE_MS = 50;
