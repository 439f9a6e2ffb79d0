/** Time-outs need not be exact: they are looked at this often, or four times within the shortest. */
const MAX_INTERVAL_MS = 1000;
const LOOKS = 4;

/**
 * One timer for the time-outs of many connections, instead of one for each. Time is counted in ticks, so that a
 * connection notes when something happened without reading a clock. The timer runs only while there is something to
 * watch, and never holds the process open.
 */
export class Sweeper {
  /** Now. */
  tick = 0;
  readonly #intervalMs: number;
  readonly #sweep: () => void;
  #timer: Timer | null = null;

  constructor(shortestTimeoutMs: number, sweep: () => void) {
    this.#intervalMs = Math.max(5, Math.min(MAX_INTERVAL_MS, shortestTimeoutMs / LOOKS));
    this.#sweep = sweep;
  }

  /** Ticks within a time-out: never fewer than it takes. */
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
