const CHECK_EVERY_MS = 1000;
/** A clock that was set, or a machine that slept; less is the jitter of reading two clocks. */
const TOLERATED_MS = 5;
/** When the two readings of the steady clock lie further apart, the process was interrupted between them. */
const INTERRUPTED_MS = 1;

/** The clocks of a machine: one can be set, the other never jumps and has microseconds. */
export interface Clocks {
  /** Milliseconds since 1970, as `Date.now`. */
  readonly wallMs: () => number;
  /** Milliseconds since some moment, as `performance.now`. */
  readonly steadyMs: () => number;
  /** That moment as milliseconds since 1970, as `performance.timeOrigin`. */
  readonly originMs: number;
}

/**
 * Turns readings of the steady clock into time since 1970. `performance.timeOrigin` alone drifts from the time of other
 * machines when a laptop sleeps or the clock is set, which puts the spans of one trace apart.
 */
export class WallClock {
  readonly #clocks: Clocks;
  #originMs: number;
  #checkedMs = Number.NEGATIVE_INFINITY;

  constructor(clocks: Clocks) {
    this.#clocks = clocks;
    this.#originMs = clocks.originMs;
  }

  /** Microseconds since 1970 at a reading of the steady clock. */
  toMicros(steadyMs: number): number {
    if (steadyMs - this.#checkedMs > CHECK_EVERY_MS) this.#check();
    // `Math.round` of large numbers takes 100 ns.
    return Math.floor((this.#originMs + steadyMs) * 1000 + 0.5);
  }

  #check(): void {
    const { wallMs, steadyMs } = this.#clocks;
    const beforeMs = steadyMs();
    // Half a millisecond is what whole ones lack on average.
    const originMs = wallMs() + 0.5 - beforeMs;
    if (steadyMs() - beforeMs > INTERRUPTED_MS) return;
    this.#checkedMs = beforeMs;
    if (Math.abs(originMs - this.#originMs) > TOLERATED_MS) this.#originMs = originMs;
  }
}

/** The one of this process: its links must agree to the microsecond. */
export const MACHINE_CLOCK = new WallClock({
  wallMs: Date.now,
  steadyMs: () => performance.now(),
  originMs: performance.timeOrigin,
});
