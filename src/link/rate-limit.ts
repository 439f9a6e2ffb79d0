import type { RateLimit } from "../topology/model.ts";

/** A token bucket that holds `burst` requests and refills at `perSecond`. https://en.wikipedia.org/wiki/Token_bucket */
export class TokenBucket {
  readonly #options: RateLimit;
  #tokens: number;
  #atMs: number;

  constructor(options: RateLimit, nowMs: number) {
    this.#options = options;
    this.#tokens = options.burst;
    this.#atMs = nowMs;
  }

  /** Whether a request is admitted. */
  take(nowMs: number): boolean {
    const { perSecond, burst } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#atMs) / 1000) * perSecond);
    this.#atMs = nowMs;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  /** Whole seconds from the last {@link take} until another request is admitted. */
  get retryAfterSeconds(): number {
    return Math.max(0, Math.ceil((1 - this.#tokens) / this.#options.perSecond));
  }
}
