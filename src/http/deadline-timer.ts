/** Timers cannot be set further ahead. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/**
 * One timer for the deadlines of many calls. It is set to the earliest that was seen, and looks at all calls when it
 * fires: as nearly all calls end long before their deadline, it fires once in a time-out and not once in a call, yet no
 * call ends late. Times are those of `performance.now()`.
 */
export class DeadlineTimer {
  readonly #expire: (nowMs: number) => number;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  /** @param expire Ends what is due and returns the earliest deadline that is left, or infinity. */
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
    // Its calls have connections, and those hold the process open.
    this.#timer.unref();
  }

  readonly #fire = (): void => {
    this.stop();
    this.watch(this.#expire(performance.now()));
  };
}
