import { errorCode, errorText } from "../lib/errors.ts";
import type { Random } from "../lib/random.ts";
import type { Span } from "../trace/span.ts";
import type { SpanEncoder } from "./export.ts";
import type { LinkLog } from "./log.ts";

/** Why a span did not reach the backend. */
export type DropReason =
  /** The queue was full when the span ended. */
  | "queue_full"
  /** The backend answered that it will not take the batch. */
  | "rejected"
  /** The backend could not be reached or was not able, until {@link ReporterOptions.giveUpMs} had passed. */
  | "unavailable"
  /** The link ended first. */
  | "shutdown";

export interface ReporterOptions {
  readonly encoder: SpanEncoder;
  /** Most spans that wait, those in the batch under way included. */
  readonly queueSize: number;
  readonly batchSize: number;
  /** Spans wait at most so long for their batch to fill. */
  readonly delayMs: number;
  /** Limit of one request to the backend. */
  readonly timeoutMs: number;
  /** A batch is tried again until it is this old. */
  readonly giveUpMs: number;
  readonly random: Random;
  readonly log: LinkLog;
}

/** The numbers of {@link ReporterOptions}. */
export type ReporterLimits = Pick<
  ReporterOptions,
  "queueSize" | "batchSize" | "delayMs" | "timeoutMs" | "giveUpMs"
>;

export const REPORTER_DEFAULTS: ReporterLimits = {
  queueSize: 16_384,
  batchSize: 512,
  delayMs: 1000,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
};

const FIRST_BACKOFF_MS = 500;
const LONGEST_BACKOFF_MS = 10_000;

/**
 * Exports spans in batches, one at a time. Bounded, so that a request never waits and memory never grows; every span
 * ends in exactly one counter, {@link sent} or one of {@link dropped}.
 */
export class Reporter {
  /** Spans that the backend has taken. */
  sent = 0;
  readonly dropped: Record<DropReason, number> = { queue_full: 0, rejected: 0, unavailable: 0, shutdown: 0 };
  readonly #options: ReporterOptions;
  #queue: Span[] = [];
  /** Spans of the batch under way. */
  #underWay = 0;
  #timer: Timer | undefined;
  #running: Promise<void> | null = null;
  /** Set at the end: spans are no longer held for longer than this (in `performance.now()`). */
  #deadline = Number.POSITIVE_INFINITY;
  #wakeUp: (() => void) | null = null;
  #isFailing = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
  }

  /** Spans that wait to be sent. */
  get queued(): number {
    return this.#queue.length + this.#underWay;
  }

  add(span: Span): void {
    const { queueSize, batchSize, delayMs } = this.#options;
    if (this.#deadline !== Number.POSITIVE_INFINITY) {
      this.dropped.shutdown++;
      return;
    }
    if (this.queued >= queueSize) {
      this.dropped.queue_full++;
      return;
    }
    this.#queue.push(span);
    if (this.#running !== null) return;
    if (this.#queue.length >= batchSize) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), delayMs);
  }

  /** Sends what waits, for at most `graceMs`; the rest is dropped as `shutdown`. */
  async close(graceMs: number): Promise<void> {
    this.#deadline = performance.now() + graceMs;
    this.#wakeUp?.();
    this.#start();
    await this.#running;
    clearTimeout(this.#timer);
    this.dropped.shutdown += this.#queue.length;
    this.#queue = [];
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#running !== null || this.#queue.length === 0) return;
    this.#running = this.#run().finally(() => {
      this.#running = null;
      if (this.#queue.length > 0 && performance.now() < this.#deadline) this.#start();
    });
  }

  /** Sends batches until the queue is nearly empty; a short rest waits for the timer. */
  async #run(): Promise<void> {
    do {
      const batch = this.#queue.splice(0, this.#options.batchSize);
      this.#underWay = batch.length;
      const outcome = await this.#sendUntilSettled(batch);
      this.#underWay = 0;
      if (outcome === "sent") this.sent += batch.length;
      else this.dropped[outcome] += batch.length;
    } while (this.#queue.length > 0 && performance.now() < this.#deadline);
  }

  async #sendUntilSettled(batch: readonly Span[]): Promise<"sent" | DropReason> {
    const { encoder, giveUpMs } = this.#options;
    const body = encoder.encode(batch);
    const startMs = performance.now();
    for (let backoffMs = FIRST_BACKOFF_MS; ; backoffMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2)) {
      const attempt = await this.#send(body);
      if (attempt.kind === "sent") {
        this.#noteRecovery();
        return "sent";
      }
      this.#noteFailure(attempt.message);
      if (attempt.kind === "rejected") return "rejected";
      // Half of the back-off is random, so that links that lost the same backend do not return as one.
      const waitMs = Math.max(attempt.retryAfterMs, backoffMs * (0.5 + this.#options.random() / 2));
      const nowMs = performance.now();
      if (nowMs + waitMs > this.#deadline) return "shutdown";
      if (nowMs + waitMs - startMs > giveUpMs) return "unavailable";
      await this.#sleep(waitMs);
    }
  }

  async #send(body: string | Uint8Array<ArrayBuffer>): Promise<Attempt> {
    const { encoder, timeoutMs } = this.#options;
    const limitMs = Math.max(1, Math.min(timeoutMs, this.#deadline - performance.now()));
    try {
      const response = await fetch(encoder.url, {
        method: "POST",
        headers: encoder.headers,
        body,
        signal: AbortSignal.timeout(limitMs),
      });
      const text = await response.text();
      if (response.ok) return { kind: "sent" };
      const message = `${response.status} ${text.slice(0, 200).trim()}`.trim();
      if (!encoder.retryStatuses.has(response.status)) return { kind: "rejected", message };
      return { kind: "unable", message, retryAfterMs: readRetryAfter(response.headers.get("retry-after")) };
    } catch (error) {
      const isTimeout = error instanceof Error && error.name === "TimeoutError";
      const message = isTimeout
        ? `no answer within ${Math.round(limitMs)} ms`
        : (errorCode(error) ?? errorText(error));
      return { kind: "unable", message, retryAfterMs: 0 };
    }
  }

  /** Says once that the backend fails and once that it is back, whatever the number of batches. */
  #noteFailure(message: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.log.warn(`cannot send spans to ${this.#options.encoder.url}: ${message}`);
  }

  #noteRecovery(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.log.info(`spans are sent to ${this.#options.encoder.url} again`);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

type Attempt =
  | { readonly kind: "sent" }
  | { readonly kind: "rejected"; readonly message: string }
  | { readonly kind: "unable"; readonly message: string; readonly retryAfterMs: number };

/** Longest `Retry-After` that is believed. */
const LONGEST_RETRY_AFTER_MS = 60_000;

/** Milliseconds of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); 0 when absent or unreadable. */
function readRetryAfter(text: string | null): number {
  if (text === null) return 0;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms));
}
