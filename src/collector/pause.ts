/** How long the work of one event-loop turn may hold up everything else. */
const SLICE_MS = 10;

/** Works that wait for a turn of the event loop. */
const waiting: (() => void)[] = [];

/** When work began in this turn of the event loop; `null` when none has. */
let turnStartMs: number | null = null;

/**
 * Lets other work use the event loop during long work: `await` its `turn` between small pieces. All works that start in
 * the same turn share one slice of time; otherwise eight large batches would hold up everything else for eight slices.
 */
export class Pause {
  #startMs = startOfTurn();

  async turn(): Promise<void> {
    if (performance.now() - this.#startMs < SLICE_MS) return;
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(wakeOne);
    });
    this.#startMs = performance.now();
  }
}

function startOfTurn(): number {
  if (turnStartMs === null) {
    turnStartMs = performance.now();
    setImmediate(endTurn);
  }
  return turnStartMs;
}

function endTurn(): void {
  turnStartMs = null;
}

/** Wakes one work per turn: if all continued in the same turn, many would hold up everything else for as long as they take. */
function wakeOne(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(wakeOne);
}
