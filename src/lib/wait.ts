/** The thread is awake so long after the time that was asked for; what is left then is waited for in turns of the event loop. */
export const WAKE_MS = 0.1;

/** What waits longer is woken in between. */
const LONGEST_MS = 2 ** 31 - 1;

const CELL = new Int32Array(new SharedArrayBuffer(4));

/** Resolves after this time; see {@link waitUntil}. */
export function waitFor(ms: number): Promise<void> {
  return waitUntil(performance.now() + ms);
}

/**
 * Resolves at that time of `performance.now()`, never before it and, where the processor is free, some 10 µs behind it. Timers know
 * whole milliseconds only; `Atomics.waitAsync` takes the clock of the kernel, and costs 50 to 100 µs of processor time whatever the wait.
 */
export async function waitUntil(endMs: number): Promise<void> {
  for (let leftMs = endMs - performance.now(); leftMs > 0; leftMs = endMs - performance.now()) {
    if (leftMs <= WAKE_MS) await new Promise<void>((resolve) => setImmediate(resolve));
    else await Atomics.waitAsync(CELL, 0, 0, Math.min(leftMs - WAKE_MS, LONGEST_MS)).value;
  }
}
