import type { RetryPolicy } from "../topology/model.ts";

/** The default of Linkerd's `ttl`. */
const WINDOW_SECONDS = 10;

/** Recent requests to one callee, and their retries. All calls of a service to that callee are counted here. */
export class RetryWindow {
  /** One count per second. */
  readonly #requests = new Float64Array(WINDOW_SECONDS);
  readonly #retries = new Float64Array(WINDOW_SECONDS);
  #second = Number.NEGATIVE_INFINITY;

  get requests(): number {
    return sum(this.#requests);
  }

  get retries(): number {
    return sum(this.#retries);
  }

  /** Number of retries in the current second. */
  retriesNow(nowMs: number): number {
    return this.#retries[this.#slotAt(nowMs)] as number;
  }

  /** Counts a request, but not its retries. */
  countRequest(nowMs: number): void {
    add(this.#requests, this.#slotAt(nowMs));
  }

  countRetry(nowMs: number): void {
    add(this.#retries, this.#slotAt(nowMs));
  }

  /** The slot of the current second; clears the slots of seconds that have left the window. */
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
 * Keeps retries from aggravating an overload: retries to a callee may be at most a share of the requests to it, but at least
 * `minPerSecond`. Linkerd and Envoy also keep one budget per upstream.
 */
export class RetryBudget {
  readonly #options: NonNullable<RetryPolicy["budget"]>;
  readonly #window: RetryWindow;

  /** @param window shared by all calls to the callee, which may have different limits */
  constructor(options: NonNullable<RetryPolicy["budget"]>, window: RetryWindow) {
    this.#options = options;
    this.#window = window;
  }

  /** Counts a request, but not its retries. */
  countRequest(nowMs: number): void {
    this.#window.countRequest(nowMs);
  }

  /** Spends a retry if there is one left, and returns whether there was. */
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
