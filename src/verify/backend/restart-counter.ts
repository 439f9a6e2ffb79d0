import type { BackendCounters } from "./counters.ts";

const FIELDS = ["received", "refused", "evicted"] as const;

/** Counts restarts of a backend from the identity that it reports over time. */
export class RestartCounter {
  /** Restarts seen so far. */
  count = 0;
  /**
   * Known identities. Several replicas may answer at one address, and the return of a known one is not a
   * restart.
   */
  readonly #identities = new Set<string>();
  #last: BackendCounters | null = null;

  /** The last identity; `null` before the first. */
  get last(): BackendCounters | null {
    return this.#last;
  }

  /** Adds a reading, and returns whether the backend restarted since the previous one. */
  see(now: BackendCounters): boolean {
    const isRestart = this.#last !== null && this.#isRestart(this.#last, now);
    if (now.identity) this.#identities.add(now.identity);
    if (isRestart) this.count++;
    this.#last = now;
    return isRestart;
  }

  #isRestart(last: BackendCounters, now: BackendCounters): boolean {
    if (now.identity && last.identity) return !this.#identities.has(now.identity);
    // Counters that restart from 0 may exceed their old values before the next reading.
    return FIELDS.some((field) => (now[field] ?? 0) < (last[field] ?? 0));
  }
}
