/** Number of answers that the moving average covers. */
const MEMORY = 8;
/** Answers up to this factor slower than the fastest mean that the server has capacity left. */
const IDLE = 1.5;
/** Answers from this factor on mean that requests queue in the server. */
const BUSY = 2;
/** Increase of the limit per round of answers. */
const GROWTH = 4;

/**
 * Limits concurrent requests; the others wait in order of arrival. Starts with the minimum, and raises the limit while answers
 * take about as long as the fastest one, because then most of the time is spent on the network and not in the server.
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

  /** Current limit of concurrent requests. */
  get width(): number {
    return Math.floor(this.#width);
  }

  /** Latency is meaningful only while the limit is fully used. */
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
