import type { Concurrency } from "../topology/model.ts";

/** What became of a request at the gate: it may go on, found the line full, or waited in it for too long. */
export type Admission = "admitted" | "queue_full" | "queue_timeout";

interface Waiter {
  readonly resolve: (admission: Admission) => void;
  readonly timer: Timer | null;
}

/** Lets a number of requests be served at a time; further ones wait in line, first come, first served. */
export class Gate {
  readonly #options: Concurrency;
  readonly #line = new Set<Waiter>();
  #inside = 0;

  constructor(options: Concurrency) {
    this.#options = options;
  }

  /** Requests that wait in line. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Who is admitted must {@link leave}. */
  enter(): Admission | Promise<Admission> {
    const { limit, queue, waitMs } = this.#options;
    if (this.#inside < limit) {
      this.#inside++;
      return "admitted";
    }
    if (this.#line.size >= queue) return "queue_full";
    const { promise, resolve } = Promise.withResolvers<Admission>();
    const giveUp = () => {
      this.#line.delete(waiter);
      resolve("queue_timeout");
    };
    const waiter: Waiter = { resolve, timer: waitMs === null ? null : setTimeout(giveUp, waitMs) };
    this.#line.add(waiter);
    return promise;
  }

  /** Gives the place to the first in line. */
  leave(): void {
    for (const next of this.#line) {
      this.#line.delete(next);
      if (next.timer !== null) clearTimeout(next.timer);
      next.resolve("admitted");
      return;
    }
    this.#inside--;
  }
}
