/** Timeouts need not be exact: they are checked this often, or four times within the shortest one. */
const MAX_INTERVAL_MS = 1000;
const LOOKS = 4;

/**
 * One timer for the timeouts of many connections, instead of one per connection. Time is counted in ticks, so that a
 * connection can note when something happened without reading a clock. The timer runs only while there is something to
 * watch, and never keeps the process alive.
 */
export class Sweeper {
  /** The current time. */
  tick = 0;
  readonly #intervalMs: number;
  readonly #sweep: () => void;
  #timer: Timer | null = null;

  constructor(shortestTimeoutMs: number, sweep: () => void) {
    this.#intervalMs = Math.max(5, Math.min(MAX_INTERVAL_MS, shortestTimeoutMs / LOOKS));
    this.#sweep = sweep;
  }

  /** The number of ticks in a timeout, rounded up so that it is never cut short. */
  ticksOf(timeoutMs: number): number {
    return Math.ceil(timeoutMs / this.#intervalMs) + 1;
  }

  start(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => {
      this.tick++;
      this.#sweep();
    }, this.#intervalMs);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
