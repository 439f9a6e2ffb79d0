const CHECK_EVERY_MS = 1000;
/** A larger difference means that the clock was set or the machine slept; a smaller one is jitter between two readings. */
const TOLERATED_MS = 5;
/** If two readings of the monotonic clock differ by more, the process was interrupted between them. */
const INTERRUPTED_MS = 1;

/** The clocks of a machine: the wall clock can be set; the monotonic clock never jumps and has microseconds. */
export interface Clocks {
  /** Milliseconds since 1970, like `Date.now`. */
  readonly wallMs: () => number;
  /** Milliseconds on the monotonic clock, like `performance.now`. */
  readonly steadyMs: () => number;
  /** Zero of the monotonic clock in milliseconds since 1970, like `performance.timeOrigin`. */
  readonly originMs: number;
}

/**
 * Converts readings of the monotonic clock to time since 1970. `performance.timeOrigin` alone drifts from the time of other
 * machines when a laptop sleeps or the clock is set, which separates the spans of one trace.
 */
export class WallClock {
  readonly #clocks: Clocks;
  #originMs: number;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#originMs = clocks.originMs;
  }

  /** Microseconds since 1970 for a reading of the monotonic clock. */
  toMicros(steadyMs: number): number {
    if (steadyMs - this.#checkedMs > CHECK_EVERY_MS) this.#check();
    // `Math.round` takes 100 ns for large numbers.
    return Math.floor((this.#originMs + steadyMs) * 1000 + 0.5);
  }

  #check(): void {
    const { wallMs, steadyMs } = this.#clocks;
    const beforeMs = steadyMs();
    // Whole milliseconds are rounded down, by half a millisecond on average.
    const originMs = wallMs() + 0.5 - beforeMs;
    if (steadyMs() - beforeMs > INTERRUPTED_MS) return;
    this.#checkedMs = beforeMs;
    if (Math.abs(originMs - this.#originMs) > TOLERATED_MS) this.#originMs = originMs;
  }
}

/** One for the whole process: its links must agree to the microsecond. */
export const MACHINE_CLOCK = new WallClock({
  wallMs: Date.now,
  steadyMs: () => performance.now(),
  originMs: performance.timeOrigin,
});
