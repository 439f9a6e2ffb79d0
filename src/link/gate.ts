import type { Concurrency } from "../topology/model.ts";

/** The result for a request at the gate: admitted, the queue was full, or it waited for too long. */
export type Admission = "admitted" | "queue_full" | "queue_timeout";

interface Waiter {
  readonly resolve: (admission: Admission) => void;
  readonly timer: Timer | null;
}

/** Lets at most `limit` requests be served concurrently; others wait in a queue, first come, first served. */
export class Gate {
  readonly #options: Concurrency;
  readonly #line = new Set<Waiter>();
  #inside = 0;

  constructor(options: Concurrency) {
    this.#options = options;
  }

  /** Number of requests in the queue. */
  get waiting(): number {
    return this.#line.size;
  }

  /** Asks for admission. An admitted request must {@link leave}. */
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

  /** Gives the place to the first request in the queue. */
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
