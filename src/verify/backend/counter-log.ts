import { type CountedBackend, type Counters, type LinkInstance, readCounters } from "./counters.ts";
import { RestartCounter } from "./restart-counter.ts";

/** Many links are asked less often. */
const INTERVAL_PER_LINK_MS = 100;
/** Readings that are kept: as old as the oldest window may be, and no more. */
const KEPT_READINGS = 64;

interface Reading {
  readonly atMs: number;
  readonly counters: Promise<Counters>;
}

/** Everybody's counters at several moments, so that of any window it is known what they were before it. */
export class CounterLog {
  readonly #findInstances: () => Promise<readonly LinkInstance[]>;
  readonly #backend: CountedBackend;
  readonly #intervalMs: number;
  /** Oldest first. */
  readonly #readings: Reading[] = [];
  readonly #restarts = new RestartCounter();
  #instances: readonly LinkInstance[] = [];

  /** @param intervalMs Links are asked at most as often when nothing is wrong */
  constructor(
    findInstances: () => Promise<readonly LinkInstance[]>,
    backend: CountedBackend,
    intervalMs: number,
  ) {
    this.#intervalMs = intervalMs;
    this.#findInstances = findInstances;
    this.#backend = backend;
  }

  /** Reads again when the last reading is too old. */
  async keepUp(): Promise<void> {
    const last = this.#readings.at(-1);
    const intervalMs = Math.max(this.#intervalMs, INTERVAL_PER_LINK_MS * this.#instances.length);
    if (last === undefined || performance.now() - last.atMs >= intervalMs) await this.readNow();
  }

  /** The last reading before a moment, or else the first there is; `null` when there is none. */
  async before(ms: number): Promise<Counters | null> {
    const reading = this.#readings.findLast(({ atMs }) => atMs <= ms) ?? this.#readings[0];
    return reading === undefined ? null : reading.counters;
  }

  /** The first reading after a moment; `null` when there is none. */
  async after(ms: number): Promise<Counters | null> {
    return this.#readings.find(({ atMs }) => atMs >= ms)?.counters ?? null;
  }

  readNow(): Promise<Counters> {
    const counters = this.#read(this.#readings.at(-1)?.counters);
    this.#readings.push({ atMs: performance.now(), counters });
    if (this.#readings.length > KEPT_READINGS) this.#readings.shift();
    return counters;
  }

  /** With the number of times that the backend was started again since the first reading. */
  async #read(last: Promise<Counters> | undefined): Promise<Counters> {
    const counters = await readCounters(await this.#find(), this.#backend);
    // Readings are counted in the order in which they began.
    await last;
    if (counters.backend === null) return counters;
    this.#restarts.see(counters.backend);
    return { ...counters, backend: { ...counters.backend, restarts: this.#restarts.count } };
  }

  /** Those known so far when they cannot be looked up: nobody is gone because a name server is. */
  async #find(): Promise<readonly LinkInstance[]> {
    try {
      this.#instances = await this.#findInstances();
    } catch {}
    return this.#instances;
  }
}
