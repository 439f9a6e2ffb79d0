/** Rounds in one measurement of the machine's speed: about 20 us. */
const PIECE_ROUNDS = 20_000;
const WARM_UP_MS = 15;
const PIECES = 50;

/** The result of all work so far, so that no compiler can remove the work. */
let state = 1;
let roundsPerMs = 0;

/**
 * Keeps the processor busy with the amount of work that it does in `ms` when undisturbed. The work is fixed, not the time:
 * if processes share a core it takes longer, as real work does. A wall clock would include the time of other processes,
 * and on some machines the CPU time of a thread has a resolution of only 4 ms.
 */
export function doWork(ms: number): void {
  if (roundsPerMs === 0) calibrateWork();
  work(Math.round(ms * roundsPerMs));
}

/** Measures, once per process, how much work fits into a millisecond. The fastest of several samples is undisturbed. */
export function calibrateWork(): void {
  if (roundsPerMs > 0) return;
  const warmAtMs = performance.now() + WARM_UP_MS;
  while (performance.now() < warmAtMs) work(PIECE_ROUNDS);
  let fastestMs = Number.POSITIVE_INFINITY;
  for (let piece = 0; piece < PIECES; piece++) {
    const startMs = performance.now();
    work(PIECE_ROUNDS);
    fastestMs = Math.min(fastestMs, performance.now() - startMs);
  }
  roundsPerMs = PIECE_ROUNDS / fastestMs;
}

/** Rounds of xorshift32, each of which depends on the one before: https://www.jstatsoft.org/article/view/v008i14 */
function work(rounds: number): void {
  let next = state;
  for (let round = 0; round < rounds; round++) {
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
  }
  state = next;
}
