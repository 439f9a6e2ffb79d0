import type { FailureReason } from "../http/failure.ts";
import type { Random } from "../lib/random.ts";
import { MAX_BACKOFF_FACTOR, type RetryPolicy } from "../topology/model.ts";

/** Decides which failed attempts of a call are retried, and when. */
export class RetryRule {
  readonly #on5xx: boolean;
  readonly #onTimeout: boolean;
  readonly #onDisconnect: boolean;
  readonly #statuses: ReadonlySet<number>;
  readonly #backoffMs: number;
  readonly #random: Random;

  constructor({ on, backoffMs }: RetryPolicy, random: Random) {
    this.#on5xx = on.includes("5xx");
    this.#onTimeout = on.includes("timeout");
    this.#onDisconnect = on.includes("disconnect");
    this.#statuses = new Set(on.filter((condition) => typeof condition === "number"));
    this.#backoffMs = backoffMs;
    this.#random = random;
  }

  wantsStatus(status: number): boolean {
    return (status >= 500 && this.#on5xx) || this.#statuses.has(status);
  }

  wantsFailure(reason: FailureReason): boolean {
    // The link is shutting down.
    if (reason === "client_closed") return false;
    return reason === "timeout" ? this.#onTimeout : this.#onDisconnect;
  }

  /** Milliseconds before retry number `retry` (from 1): random up to a bound that doubles ("full jitter"). */
  drawBackoffMs(retry: number): number {
    if (this.#backoffMs === 0) return 0;
    const bound = this.#backoffMs * Math.min(2 ** (retry - 1), MAX_BACKOFF_FACTOR);
    return this.#random() * bound;
  }
}
