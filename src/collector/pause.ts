/** How long work may hold up everything else. */
const SLICE_MS = 10;

/** Those who wait for a turn of the event loop. */
const waiting: (() => void)[] = [];

/** Lets others have the event loop in long work: `await` its `turn` between small pieces. */
export class Pause {
  #startMs = performance.now();

  async turn(): Promise<void> {
    if (performance.now() - this.#startMs < SLICE_MS) return;
    await new Promise<void>((resolve) => {
      if (waiting.push(resolve) === 1) setImmediate(wakeOne);
    });
    this.#startMs = performance.now();
  }
}

/**
 * One in each turn: if all went on in the same, many at a time would hold up everything else as long as one without
 * pauses.
 */
function wakeOne(): void {
  waiting.shift()?.();
  if (waiting.length > 0) setImmediate(wakeOne);
}
