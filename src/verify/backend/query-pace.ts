/** Spreads queries over time, so that the backend never receives more than the allowed rate. */
export class QueryPace {
  /** Number of queries so far. */
  queries = 0;
  readonly #intervalMs: number;
  readonly #signal: AbortSignal;
  #nextMs = 0;

  /** @param perSecond Maximum queries per second */
  constructor(perSecond: number, signal: AbortSignal) {
    this.#intervalMs = 1000 / perSecond;
    this.#signal = signal;
  }

  /** Resolves when the next query may be sent. Rejects when the signal is aborted. */
  async turn(): Promise<void> {
    const nowMs = performance.now();
    const waitMs = this.#nextMs - nowMs;
    this.#nextMs = Math.max(nowMs, this.#nextMs) + this.#intervalMs;
    this.queries++;
    if (waitMs > 0) await pause(waitMs, this.#signal);
  }
}

/** Waits. Rejects when the signal is aborted. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const onAbort = () => resolve();
  signal.addEventListener("abort", onAbort);
  await promise;
  clearTimeout(timer);
  // Remove the listener: a canary's signal lives through millions of pauses.
  signal.removeEventListener("abort", onAbort);
  signal.throwIfAborted();
}
