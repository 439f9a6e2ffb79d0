/** A timed wait may wake this much too late, so it ends early and the event loop is polled for the remainder. */
export const WAKE_MS = 0.1;

/** Longer waits wake up in between. */
const LONGEST_MS = 2 ** 31 - 1;

const CELL = new Int32Array(new SharedArrayBuffer(4));

/** Resolves after this many milliseconds; see {@link waitUntil}. */
export function waitFor(ms: number): Promise<void> {
  return waitUntil(performance.now() + ms);
}

/**
 * Resolves at that time of `performance.now()`: never early, and about 10 µs late when a processor is free. Timers only
 * have millisecond resolution; `Atomics.waitAsync` uses the kernel's clock and costs 50 to 100 µs of CPU time per wait.
 */
export async function waitUntil(endMs: number): Promise<void> {
  for (let leftMs = endMs - performance.now(); leftMs > 0; leftMs = endMs - performance.now()) {
    if (leftMs <= WAKE_MS) await new Promise<void>((resolve) => setImmediate(resolve));
    else await Atomics.waitAsync(CELL, 0, 0, Math.min(leftMs - WAKE_MS, LONGEST_MS)).value;
  }
}
