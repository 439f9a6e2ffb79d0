/** Answers that the mean goes back over. */
const MEMORY = 8;
/** Up to so much slower than the fastest answer, and the server has time left. */
const IDLE = 1.5;
/** From so much on requests stand in a line at the server. */
const BUSY = 2;
/** Widths that are gained while all that are under way are answered once. */
const GROWTH = 4;

/**
 * Lets so many run at the same time; the others wait in the order in which they came. Begins with the least, and
 * lets more run while answers take about as long as the fastest: then most of the time goes into the way to the server, not
 * into its work.
 */
export class Gate {
  readonly #least: number;
  readonly #most: number;
  readonly #now: () => number;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #width: number;
  #fastestMs = Number.POSITIVE_INFINITY;
  #meanMs = 0;

  constructor(least: number, most: number, now = () => performance.now()) {
    this.#now = now;
    this.#least = least;
    this.#most = most;
    this.#width = least;
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#running < this.width) this.#running += 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    const startMs = this.#now();
    try {
      return await work();
    } finally {
      this.#learn(this.#now() - startMs);
      this.#running -= 1;
      while (this.#running < this.width && this.#waiting.length > 0) {
        this.#running += 1;
        this.#waiting.shift()?.();
      }
    }
  }

  /** How many may run now. */
  get width(): number {
    return Math.floor(this.#width);
  }

  /** Only when all places are taken does the time say something of the server under this load. */
  #learn(tookMs: number): void {
    this.#fastestMs = Math.min(this.#fastestMs, tookMs);
    if (this.#waiting.length === 0) return;
    this.#meanMs = this.#meanMs === 0 ? tookMs : this.#meanMs + (tookMs - this.#meanMs) / MEMORY;
    if (this.#meanMs < IDLE * this.#fastestMs)
      this.#width = Math.min(this.#most, this.#width + GROWTH / this.#width);
    else if (this.#meanMs > BUSY * this.#fastestMs)
      this.#width = Math.max(this.#least, this.#width - 1 / this.#width);
  }
}
