/** Rounds in one piece of work when the machine is measured: about 20 us. */
const PIECE_ROUNDS = 20_000;
const WARM_UP_MS = 15;
const PIECES = 50;

/** What came of all work so far, so that no compiler leaves it out. */
let state = 1;
let roundsPerMs = 0;

/**
 * Keeps the processor busy with as much work as it does in `ms` when nothing disturbs it. The work is fixed, not the
 * time: where processes share a core it takes longer, as real work does. A clock would count the others' time as ours,
 * and the processor time of a thread is known to 4 ms only on some machines.
 */
export function doWork(ms: number): void {
  if (roundsPerMs === 0) calibrateWork();
  work(Math.round(ms * roundsPerMs));
}

/** Measures, once in a process, how much work a millisecond holds: in its fastest piece, which nobody disturbed. */
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

/** Rounds of xorshift32, each of which needs the one before: https://www.jstatsoft.org/article/view/v008i14 */
function work(rounds: number): void {
  let next = state;
  for (let round = 0; round < rounds; round++) {
    next ^= next << 13;
    next ^= next >>> 17;
    next ^= next << 5;
  }
  state = next;
}
