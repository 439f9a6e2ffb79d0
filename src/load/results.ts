import { Histogram, THREE_DIGITS } from "../lib/histogram.ts";

/** What the load has seen so far, without its warm-up. All times in microseconds. */
export class LoadResults {
  /** Requests begun. */
  sent = 0;
  /** Answers below 400. */
  succeeded = 0;
  /** By status code, or by what happened instead of an answer: `timeout`, `connection_refused`, …. */
  readonly failures = new Map<string, number>();
  /** Requests that were due when the load ended, or its rate was changed, and never begun. */
  missed = 0;
  /** Requests that were due while as many were under way as may be. */
  delayed = 0;
  /** Answers that say that the trace which was sent is not the one that was recorded. */
  brokenContexts = 0;
  /** Requests sent a second time, as a kept connection turned out to be closed. */
  repeated = 0;
  /** Requests of the warm-up; of these nothing else is counted. */
  warmUp = 0;
  inFlight = 0;
  maxInFlight = 0;
  /** From the moment a request was due until its end: what it waited here is not left out. */
  readonly latency = new Histogram(THREE_DIGITS);
  /** The same, of those that succeeded. */
  readonly succeededLatency = new Histogram(THREE_DIGITS);
  /** From the moment a request was due until it was handed to a connection: the load's own error. */
  readonly sendLag = new Histogram(THREE_DIGITS);
  /** On the clock of `performance.now()`: the start without the warm-up, and the end; `null` while it runs. */
  startMs = 0;
  endMs: number | null = null;
  /**
   * When the next request would have been due, where an open loop ended by its number of requests: the last one stands
   * for the time until then, as each before it does.
   */
  nextDueMs: number | null = null;
  /** When the last request was due, and sent. */
  lastDueMs = 0;
  lastSentMs = 0;

  get failed(): number {
    let sum = 0;
    for (const count of this.failures.values()) sum += count;
    return sum;
  }

  /** Whether the requests began as often as they should, and when: at the end of an open loop. */
  get isRateReached(): boolean {
    const intendedMs = this.lastDueMs - this.startMs;
    const tookMs = this.lastSentMs - this.startMs;
    return this.missed === 0 && tookMs <= intendedMs * 1.01 + RATE_SLACK_MS && !this.isMostlyLate;
  }

  /** As many as were due were sent, but in bunches: a target has seen another load than the one that was asked for. */
  get isMostlyLate(): boolean {
    return this.sendLag.quantile(0.5) > LATE_MS * 1000;
  }
}

/** Requests this late at the end are no lower rate: any program is now and then stopped for so long. */
const RATE_SLACK_MS = 250;
/** Half of all requests later than this, in a process that stops for some 10 ms now and then, is no schedule that was kept. */
const LATE_MS = 50;
