import type { RetryPolicy } from "../topology/model.ts";

/** As Linkerd's `ttl`. */
const WINDOW_SECONDS = 10;

/** Requests to one callee in the last seconds, and their retries. All calls of a service to that callee count here. */
export class RetryWindow {
  /** Of each second. */
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #retries = new Float64Array(WINDOW_SECONDS);
  #second = Number.NEGATIVE_INFINITY;

  get requests(): number {
    return sum(this.#requests);
  }

  get retries(): number {
    return sum(this.#retries);
  }

  /** Retries of the second that is now. */
  retriesNow(nowMs: number): number {
    return this.#retries[this.#slotAt(nowMs)] as number;
  }

  /** One more request, not counting its retries. */
  countRequest(nowMs: number): void {
    add(this.#requests, this.#slotAt(nowMs));
  }

  countRetry(nowMs: number): void {
    add(this.#retries, this.#slotAt(nowMs));
  }

  /** The slot of this second; those of seconds that have left the window are empty. */
  #slotAt(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    const passed = Math.min(second - this.#second, WINDOW_SECONDS);
    for (let i = 0; i < passed; i++) {
      const slot = (second - i) % WINDOW_SECONDS;
      this.#requests[slot] = 0;
      this.#retries[slot] = 0;
    }
    if (passed > 0) this.#second = second;
    return this.#second % WINDOW_SECONDS;
  }
}

/**
 * Keeps retries from making an overload worse: those to one callee may be a share of the requests to it, and
 * `minPerSecond` in any case, as in Linkerd and Envoy, which keep a budget for each upstream.
 */
export class RetryBudget {
  readonly #options: NonNullable<RetryPolicy["budget"]>;
  readonly #window: RetryWindow;

  /** @param window Shared by the calls to the callee, which may have different limits. */
  constructor(options: NonNullable<RetryPolicy["budget"]>, window: RetryWindow) {
    this.#options = options;
    this.#window = window;
  }

  /** One more request, not counting its retries. */
  countRequest(nowMs: number): void {
    this.#window.countRequest(nowMs);
  }

  /** Whether there is a retry left; it is spent then. */
  spend(nowMs: number): boolean {
    const { ratio, minPerSecond } = this.#options;
    const window = this.#window;
    const isFree = window.retriesNow(nowMs) < minPerSecond;
    if (!isFree && window.retries + 1 > ratio * window.requests) return false;
    window.countRetry(nowMs);
    return true;
  }
}

function add(slots: Float64Array, slot: number): void {
  slots[slot] = (slots[slot] as number) + 1;
}

function sum(slots: Float64Array): number {
  let total = 0;
  for (const count of slots) total += count;
  return total;
}
