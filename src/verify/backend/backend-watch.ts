import { type BackendCounters, type CountedBackend, readBackend } from "./counters.ts";
import { RestartCounter } from "./restart-counter.ts";

/** Interval of readings. What the backend counted after the last reading is lost when it restarts. */
const PERIOD_MS = 2000;
const NOTHING = { received: 0, refused: 0, evicted: 0 };

/** Reads a backend's counters periodically, so that their sums survive restarts of the backend. */
export class BackendWatch {
  readonly #backend: CountedBackend;
  readonly #timer: ReturnType<typeof setInterval>;
  readonly #restarts = new RestartCounter();
  /** Counts before the last restart. */
  #lost: Pick<BackendCounters, keyof typeof NOTHING> = NOTHING;
  #reading: Promise<unknown> = Promise.resolve();

  /** @param before Counters at the start; `null` if unknown */
  constructor(backend: CountedBackend, before: BackendCounters | null) {
    this.#backend = backend;
    if (before === null) void this.#readNext();
    else this.#restarts.see(before);
    this.#timer = setInterval(() => void this.#readNext(), PERIOD_MS);
    this.#timer.unref();
  }

  /** Restarts seen so far. */
  get restarts(): number {
    return this.#restarts.count;
  }

  /** Returns the number of restarts as of now; `null` if the backend does not tell. */
  async countRestarts(): Promise<number | null> {
    const isThere = await this.#readNext();
    const canTell = isThere && (this.#restarts.last?.identity ?? null) !== null;
    return canTell || this.#restarts.count > 0 ? this.#restarts.count : null;
  }

  /** Returns the counters summed over restarts; `null` if the backend does not answer. */
  async read(): Promise<BackendCounters | null> {
    const isThere = await this.#readNext();
    const { last, count } = this.#restarts;
    if (!isThere || last === null) return null;
    return { ...last, ...addCounters(last, this.#lost), restarts: count };
  }

  end(): void {
    clearInterval(this.#timer);
  }

  /** Reads once, after any reading in progress. Resolves to whether the backend answered. */
  #readNext(): Promise<boolean> {
    const reading = this.#reading.then(() => this.#read());
    this.#reading = reading;
    return reading;
  }

  async #read(): Promise<boolean> {
    const now = await readBackend(this.#backend);
    if (now === null) return false;
    const { last } = this.#restarts;
    if (this.#restarts.see(now) && last !== null) this.#lost = addCounters(this.#lost, last);
    return true;
  }
}

function addCounters(a: typeof NOTHING | BackendCounters, b: typeof NOTHING | BackendCounters) {
  const sum = (field: keyof typeof NOTHING) =>
    a[field] === null || b[field] === null ? null : a[field] + b[field];
  return { received: sum("received"), refused: sum("refused"), evicted: sum("evicted") };
}
