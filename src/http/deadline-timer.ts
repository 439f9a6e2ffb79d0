/** The longest delay that a timer accepts. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * One timer for the deadlines of many calls. It is set to the earliest deadline it has seen, and checks all calls when it
 * fires. Because nearly all calls end long before their deadline, it fires once per timeout instead of once per call, and
 * still no call ends late. Times are those of `performance.now()`.
 */
export class DeadlineTimer {
  readonly #expire: (nowMs: number) => number;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  /** @param expire ends the calls that are due, and returns the earliest remaining deadline, or infinity */
  constructor(expire: (nowMs: number) => number) {
    this.#expire = expire;
  }

  watch(deadlineMs: number): void {
    if (deadlineMs < this.#dueMs) this.#set(deadlineMs);
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }

  #set(dueMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueMs = dueMs;
    const delayMs = Math.ceil(dueMs - performance.now());
    this.#timer = setTimeout(this.#fire, Math.min(MAX_DELAY_MS, Math.max(1, delayMs)));
    // The connections of its calls already keep the process alive.
    this.#timer.unref();
  }

  readonly #fire = (): void => {
    this.stop();
    this.watch(this.#expire(performance.now()));
  };
}
