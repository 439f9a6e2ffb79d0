import type { BackendCounters } from "./counters.ts";

const FIELDS = ["received", "refused", "evicted"] as const;

/** Counts how often a backend was started again, by what it says of itself from time to time. */
export class RestartCounter {
  /** Restarts that were seen so far. */
  count = 0;
  /** Several replicas may answer at one address: the return of one that is known is no restart. */
  readonly #identities = new Set<string>();
  #last: BackendCounters | null = null;

  /** What it said last; `null` before it said anything. */
  get last(): BackendCounters | null {
    return this.#last;
  }

  /** Takes what the backend says now, and returns whether it was started again since it was last heard of. */
  see(now: BackendCounters): boolean {
    const isRestart = this.#last !== null && this.#isRestart(this.#last, now);
    if (now.identity) this.#identities.add(now.identity);
    if (isRestart) this.count++;
    this.#last = now;
    return isRestart;
  }

  #isRestart(last: BackendCounters, now: BackendCounters): boolean {
    if (now.identity && last.identity) return !this.#identities.has(now.identity);
    // Counters that begin anew may have passed their old values before they are read again.
    return FIELDS.some((field) => (now[field] ?? 0) < (last[field] ?? 0));
  }
}
