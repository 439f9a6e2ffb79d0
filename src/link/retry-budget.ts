import type { RetryPolicy } from "../topology/model.ts";

/** As Linkerd's `ttl`. */
const WINDOW_SECONDS = 10;

/**
 * Keeps retries from making an overload worse: they may be a share of the call's requests of the last seconds, and
 * `minPerSecond` in any case, as in Linkerd and Envoy.
 */
export class RetryBudget {
  readonly #options: NonNullable<RetryPolicy["budget"]>;
  /** Of each second of the window. */
  readonly #calls = new Float64Array(WINDOW_SECONDS);
  readonly #retries = new Float64Array(WINDOW_SECONDS);
  #second = Number.NEGATIVE_INFINITY;

  constructor(options: NonNullable<RetryPolicy["budget"]>) {
    this.#options = options;
  }

  /** One more request, not counting its retries. */
  countCall(nowMs: number): void {
    const slot = this.#slotAt(nowMs);
    this.#calls[slot] = (this.#calls[slot] as number) + 1;
  }

  /** Whether there is a retry left; it is spent then. */
  spend(nowMs: number): boolean {
    const { ratio, minPerSecond } = this.#options;
    const slot = this.#slotAt(nowMs);
    const current = this.#retries[slot] as number;
    if (current >= minPerSecond && sum(this.#retries) + 1 > ratio * sum(this.#calls)) return false;
    this.#retries[slot] = current + 1;
    return true;
  }

  /** The slot of this second; those of seconds that have left the window are empty. */
  #slotAt(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    const passed = Math.min(second - this.#second, WINDOW_SECONDS);
    for (let i = 0; i < passed; i++) {
      const slot = (second - i) % WINDOW_SECONDS;
      this.#calls[slot] = 0;
      this.#retries[slot] = 0;
    }
    if (passed > 0) this.#second = second;
    return this.#second % WINDOW_SECONDS;
  }
}

function sum(slots: Float64Array): number {
  let total = 0;
  for (const count of slots) total += count;
  return total;
}
