import { type CountedBackend, type Counters, type LinkInstance, readCounters } from "./counters.ts";
import { RestartCounter } from "./restart-counter.ts";

/** Reading interval per link: many links are read less often. */
const INTERVAL_PER_LINK_MS = 100;
/** Number of readings kept, enough for the oldest open window. */
const KEPT_READINGS = 64;

interface Reading {
  readonly atMs: number;
  readonly counters: Promise<Counters>;
}

/** The counters of links and backend at several moments, so that every window has a reading from before it. */
export class CounterLog {
  readonly #findInstances: () => Promise<readonly LinkInstance[]>;
  readonly #backend: CountedBackend;
  readonly #intervalMs: number;
  /** Oldest first. */
  readonly #readings: Reading[] = [];
  readonly #restarts = new RestartCounter();
  #instances: readonly LinkInstance[] = [];

  /** @param intervalMs Minimum interval between readings while nothing is wrong */
  constructor(
    findInstances: () => Promise<readonly LinkInstance[]>,
    backend: CountedBackend,
    intervalMs: number,
  ) {
    this.#intervalMs = intervalMs;
    this.#findInstances = findInstances;
    this.#backend = backend;
  }

  /** Reads the counters if the last reading is too old. */
  async keepUp(): Promise<void> {
    const last = this.#readings.at(-1);
    const intervalMs = Math.max(this.#intervalMs, INTERVAL_PER_LINK_MS * this.#instances.length);
    if (last === undefined || performance.now() - last.atMs >= intervalMs) await this.readNow();
  }

  /** Returns the last reading before a moment, or else the first one; `null` if there is none. */
  async before(ms: number): Promise<Counters | null> {
    const reading = this.#readings.findLast(({ atMs }) => atMs <= ms) ?? this.#readings[0];
    return reading === undefined ? null : reading.counters;
  }

  /** Returns the first reading after a moment; `null` if there is none. */
  async after(ms: number): Promise<Counters | null> {
    return this.#readings.find(({ atMs }) => atMs >= ms)?.counters ?? null;
  }

  readNow(): Promise<Counters> {
    const counters = this.#read(this.#readings.at(-1)?.counters);
    this.#readings.push({ atMs: performance.now(), counters });
    if (this.#readings.length > KEPT_READINGS) this.#readings.shift();
    return counters;
  }

  /** Includes the number of backend restarts since the first reading. */
  async #read(last: Promise<Counters> | undefined): Promise<Counters> {
    const counters = await readCounters(await this.#find(), this.#backend);
    // Restarts are counted in the order in which the readings started.
    await last;
    if (counters.backend === null) return counters;
    this.#restarts.see(counters.backend);
    return { ...counters, backend: { ...counters.backend, restarts: this.#restarts.count } };
  }

  /** Returns the known links when the lookup fails: a failing name server does not mean that links are gone. */
  async #find(): Promise<readonly LinkInstance[]> {
    try {
      this.#instances = await this.#findInstances();
    } catch {}
    return this.#instances;
  }
}
