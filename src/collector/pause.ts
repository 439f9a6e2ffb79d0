/** How long work may hold up everything else. */
const SLICE_MS = 10;

/** Lets others have the event loop in long work: `await` its `turn` between small pieces. */
export class Pause {
  #startMs = performance.now();

  async turn(): Promise<void> {
    if (performance.now() - this.#startMs < SLICE_MS) return;
    await new Promise<void>((resolve) => setImmediate(resolve));
    this.#startMs = performance.now();
  }
}
