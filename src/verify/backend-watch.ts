import { type BackendCounters, type CountedBackend, readBackend } from "./counters.ts";

/** Often enough that a backend which was started again is seen before it has counted as much as it had. */
const PERIOD_MS = 2000;
const FIELDS = ["received", "refused", "evicted"] as const;

/** Reads a backend's counters again and again, so that they go on where it is started again and counts anew. */
export class BackendWatch {
  readonly #backend: CountedBackend;
  readonly #timer: ReturnType<typeof setInterval>;
  #last: BackendCounters | null;
  /** What it had counted when it was started again. */
  #lost: BackendCounters = { received: 0, refused: 0, evicted: 0 };
  #restarts = 0;
  #reading: Promise<void> = Promise.resolve();

  /** `before`: its counters at the beginning; `null` where they are not known. */
  constructor(backend: CountedBackend, before: BackendCounters | null) {
    this.#backend = backend;
    this.#last = before;
    this.#timer = setInterval(() => {
      this.#reading = this.#reading.then(async () => void (await this.#read()));
    }, PERIOD_MS);
    this.#timer.unref();
  }

  /** How often it was started again, as it says now. */
  async countRestarts(): Promise<number> {
    await this.#reading;
    await this.#read();
    return this.#restarts;
  }

  /** The counters as if they had never begun anew; `null` where the backend does not answer now. */
  async read(): Promise<BackendCounters | null> {
    await this.#reading;
    const isThere = await this.#read();
    if (!isThere || this.#last === null) return null;
    return { ...addCounters(this.#last, this.#lost), restarts: this.#restarts };
  }

  end(): void {
    clearInterval(this.#timer);
  }

  async #read(): Promise<boolean> {
    const now = await readBackend(this.#backend);
    if (now === null) return false;
    const last = this.#last;
    if (last !== null && FIELDS.some((field) => (now[field] ?? 0) < (last[field] ?? 0))) {
      this.#restarts++;
      this.#lost = addCounters(this.#lost, last);
    }
    this.#last = now;
    return true;
  }
}

function addCounters(a: BackendCounters, b: BackendCounters): BackendCounters {
  const [received, refused, evicted] = FIELDS.map((field) =>
    a[field] === null || b[field] === null ? null : a[field] + b[field],
  );
  return { received: received ?? null, refused: refused ?? null, evicted: evicted ?? null };
}
