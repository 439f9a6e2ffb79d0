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
  /** First pause after a failure; it doubles from one to the next. */
  readonly backoffMs: number;
  readonly random: Random;
  readonly log: LinkLog;
}

/** The numbers of {@link ReporterOptions}. */
export type ReporterLimits = Pick<
  ReporterOptions,
  "queueSize" | "batchSize" | "delayMs" | "timeoutMs" | "giveUpMs" | "backoffMs"
>;

export const REPORTER_DEFAULTS: ReporterLimits = {
  queueSize: 16_384,
  batchSize: 512,
  delayMs: 1000,
  timeoutMs: 10_000,
  giveUpMs: 60_000,
  backoffMs: 500,
};

/** Time to send what waits at the end, when nothing could be sent before. */
const LAST_CHANCE_MS = 2000;
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
  readonly #batchSize: number;
  #queue: Span[] = [];
  /** Spans of the batch under way. */
  #underWay = 0;
  #timer: Timer | undefined;
  #running: Promise<void> | null = null;
  /** Set at the end: spans are no longer held for longer than this (in `performance.now()`). */
  #deadline = Number.POSITIVE_INFINITY;
  #closing: Promise<void> | null = null;
  /** Ends the request under way when the deadline has come. */
  readonly #cut = new AbortController();
  #wakeUp: (() => void) | null = null;
  #isFailing = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#batchSize = Math.min(options.batchSize, options.queueSize);
  }

  /** Spans that wait to be sent. */
  get queued(): number {
    return this.#queue.length + this.#underWay;
  }

  add(span: Span): void {
    if (this.#closing !== null) {
      this.dropped.shutdown++;
      return;
    }
    if (this.queued >= this.#options.queueSize) {
      this.dropped.queue_full++;
      return;
    }
    this.#queue.push(span);
    if (this.#running === null) this.#schedule();
  }

  /** Sends what waits, for at most `graceMs`; the rest is dropped as `shutdown`. The first call counts. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#flush(graceMs);
    return this.#closing;
  }

  async #flush(graceMs: number): Promise<void> {
    // A backend that has been failing gets a last chance, not the whole grace period.
    const limitMs = this.#isFailing ? Math.min(graceMs, LAST_CHANCE_MS) : graceMs;
    this.#deadline = performance.now() + limitMs;
    const cutTimer = setTimeout(() => this.#cut.abort(), limitMs);
    this.#wakeUp?.();
    if (this.#queue.length > 0) this.#start();
    await this.#running;
    clearTimeout(cutTimer);
    this.dropped.shutdown += this.#queue.length;
    this.#queue = [];
  }

  /** A full batch leaves at once, others when they have waited long enough. */
  #schedule(): void {
    if (this.#queue.length >= this.#batchSize) this.#start();
    else if (this.#queue.length > 0) this.#timer ??= setTimeout(() => this.#start(), this.#options.delayMs);
  }

  #start(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#running ??= this.#run();
  }

  /** Sends one batch, then all that are full; at the end all there are. */
  async #run(): Promise<void> {
    do {
      const batch = this.#queue.splice(0, this.#batchSize);
      this.#underWay = batch.length;
      const outcome = await this.#sendUntilSettled(batch);
      this.#underWay = 0;
      if (outcome.kind === "dropped") this.dropped[outcome.reason] += batch.length;
      else {
        this.dropped.rejected += outcome.rejected;
        this.sent += batch.length - outcome.rejected;
      }
    } while (this.#isNextDue());
    this.#running = null;
    if (this.#closing === null) this.#schedule();
  }

  #isNextDue(): boolean {
    if (this.#closing === null) return this.#queue.length >= this.#batchSize;
    return this.#queue.length > 0 && performance.now() < this.#deadline;
  }

  async #sendUntilSettled(batch: readonly Span[]): Promise<Outcome> {
    const { encoder, giveUpMs, random } = this.#options;
    const body = encoder.encode(batch);
    const startMs = performance.now();
    for (let { backoffMs } = this.#options; ; backoffMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2)) {
      const attempt = await this.#send(body);
      if (attempt.kind === "sent") {
        if (attempt.rejected === 0) this.#noteRecovery();
        else this.#noteFailure(`it rejected ${attempt.rejected} of ${batch.length} spans`);
        return { kind: "sent", rejected: Math.min(attempt.rejected, batch.length) };
      }
      this.#noteFailure(attempt.message);
      if (attempt.kind === "rejected") return { kind: "dropped", reason: "rejected" };
      // Half of the back-off is random, so that links that lost the same backend do not return as one.
      const waitMs = Math.max(attempt.retryAfterMs, backoffMs * (0.5 + random() / 2));
      if (performance.now() + waitMs > this.#deadline) return { kind: "dropped", reason: "shutdown" };
      // Also before the batch is given up: the next one must not disturb the backend earlier.
      await this.#sleep(waitMs);
      const isOver = this.#closing === null && performance.now() - startMs > giveUpMs;
      if (isOver) return { kind: "dropped", reason: "unavailable" };
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
        // A redirected POST would become a GET, and the page that it finds would count as sent.
        redirect: "manual",
        signal: AbortSignal.any([AbortSignal.timeout(limitMs), this.#cut.signal]),
      });
      if (response.ok) return { kind: "sent", rejected: await readRejected(response, encoder) };
      const text = await response.text();
      const message = `${response.status} ${text.slice(0, 200).trim()}`.trim();
      if (!encoder.retryStatuses.has(response.status)) return { kind: "rejected", message };
      return { kind: "unable", message, retryAfterMs: readRetryAfter(response.headers.get("retry-after")) };
    } catch (error) {
      return { kind: "unable", message: describeSendError(error, limitMs), retryAfterMs: 0 };
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

type Outcome =
  | { readonly kind: "sent"; readonly rejected: number }
  | { readonly kind: "dropped"; readonly reason: DropReason };

type Attempt =
  /** Also where some of the spans were not taken. */
  | { readonly kind: "sent"; readonly rejected: number }
  | { readonly kind: "rejected"; readonly message: string }
  | { readonly kind: "unable"; readonly message: string; readonly retryAfterMs: number };

/** Spans of an accepted batch that the backend did not take. */
async function readRejected(response: Response, encoder: SpanEncoder): Promise<number> {
  try {
    return encoder.countRejected(new Uint8Array(await response.arrayBuffer()));
  } catch {
    // The status has come, so the batch was taken: to send it again would double it.
    return 0;
  }
}

function describeSendError(error: unknown, limitMs: number): string {
  const isLate = error instanceof Error && (error.name === "TimeoutError" || error.name === "AbortError");
  if (isLate) return `no answer within ${Math.round(limitMs)} ms`;
  return errorCode(error) ?? errorText(error);
}

/** Longest `Retry-After` that is believed: a batch that waits that long is still tried again. */
const LONGEST_RETRY_AFTER_MS = 30_000;

/** Milliseconds of a `Retry-After` in seconds or as a date (RFC 9110, 10.2.3); 0 when absent or unreadable. */
function readRetryAfter(text: string | null): number {
  if (text === null) return 0;
  const ms = /^\d+$/.test(text.trim()) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isNaN(ms) ? 0 : Math.min(LONGEST_RETRY_AFTER_MS, Math.max(0, ms));
}
