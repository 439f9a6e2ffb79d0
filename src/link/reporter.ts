import { promisify } from "node:util";
import { gzip } from "node:zlib";
import { ByteWriter } from "../http/byte-writer.ts";
import type { Random } from "../lib/random.ts";
import type { Exporter } from "./export.ts";
import type { LinkLog } from "./log.ts";
import { Sender } from "./sender.ts";
import type { SpanRecord } from "./span-format.ts";

/** Why a span did not reach the backend. */
export type DropReason =
  /** The queue was full, in spans or in bytes, when the span ended. */
  | "queue_full"
  /** The backend answered that it will not take the batch. */
  | "rejected"
  /** The backend could not be reached or was not able, until {@link ReporterOptions.giveUpMs} had passed. */
  | "unavailable"
  /** The link ended first. */
  | "shutdown";

export interface ReporterOptions {
  readonly exporter: Exporter;
  /** Most spans that wait, those in batches under way included. */
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

/**
 * Batches under way at the same time while the backend takes them: one that is 100 ms away would otherwise get no more than
 * ten a second.
 */
const MOST_UNDER_WAY = 4;
/** Time to send what waits at the end, when nothing could be sent before. */
const LAST_CHANCE_MS = 2000;
const LONGEST_BACKOFF_MS = 10_000;
/** A link that is asked now and then needs no more; there may be thousands in this process. */
const FIRST_BATCH_BYTES = 2048;
/** A batch of this size leaves although more spans would fit by their number. */
const FULL_BATCH_BYTES = 512 * 1024;
/** Most bytes that wait: what foreign headers put into tags must not fill the memory. */
const QUEUE_BYTES = 32 * 1024 * 1024;
/**
 * Large buffers are used again, by all links of the process: new ones for each batch would be most of the garbage that
 * a link makes.
 */
const spare: ByteWriter[] = [];
const MAX_SPARE = 8;
const LARGE_BYTES = 64 * 1024;

/** In a thread of its own. */
const compress = promisify(gzip);

/** Spans as bytes, on their way into one request. */
interface Batch {
  readonly out: ByteWriter;
  spans: number;
}

/**
 * Exports spans in batches, a few at a time. Bounded, so that a request never waits and memory never grows; every span
 * ends in exactly one counter, {@link sent} or one of {@link dropped}.
 *
 *     add -> filling -> full, full, … -> under way -> sent, or dropped for a reason
 */
export class Reporter {
  /** Spans that the backend has taken. */
  sent = 0;
  readonly dropped: Record<DropReason, number> = { queue_full: 0, rejected: 0, unavailable: 0, shutdown: 0 };
  /** Spans that wait to be sent. */
  queued = 0;
  readonly #options: ReporterOptions;
  readonly #batchSize: number;
  readonly #sender: Sender;
  #filling: Batch;
  /** The oldest first. */
  readonly #full: Batch[] = [];
  readonly #underWay = new Set<Promise<void>>();
  /** Of the full ones and of those under way. */
  #heldBytes = 0;
  #timer: Timer | undefined;
  /** Set at the end: spans are no longer held for longer than this (in `performance.now()`). */
  #deadline = Number.POSITIVE_INFINITY;
  #closing: Promise<void> | null = null;
  /** They end the pauses before batches are tried again. */
  readonly #sleepers = new Set<() => void>();
  #isFailing = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#batchSize = Math.min(options.batchSize, options.queueSize);
    this.#sender = new Sender(options.exporter);
    this.#filling = newBatch();
  }

  /** Takes a finished span: its bytes are written, the record may be used again. */
  add(span: SpanRecord): void {
    if (this.#closing !== null) {
      this.dropped.shutdown++;
      return;
    }
    const batch = this.#filling;
    const { out } = batch;
    if (this.queued >= this.#options.queueSize || this.#heldBytes + out.length > QUEUE_BYTES) {
      this.dropped.queue_full++;
      return;
    }
    const { format } = this.#options.exporter;
    if (batch.spans === 0) {
      format.begin(out);
      this.#timer = setTimeout(() => this.#closeBatch(), this.#options.delayMs);
    }
    format.write(out, span);
    batch.spans++;
    this.queued++;
    if (batch.spans >= this.#batchSize || out.length >= FULL_BATCH_BYTES) this.#closeBatch();
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
    const cutTimer = setTimeout(() => this.#sender.close(), limitMs);
    for (const wakeUp of this.#sleepers) wakeUp();
    if (this.#filling.spans > 0) this.#closeBatch();
    while (this.#underWay.size > 0) await Promise.all(this.#underWay);
    clearTimeout(cutTimer);
    this.#sender.close();
    this.dropped.shutdown += this.queued;
    this.queued = 0;
    this.#full.length = 0;
  }

  /** The batch that was being filled leaves, behind those before it. */
  #closeBatch(): void {
    clearTimeout(this.#timer);
    this.#full.push(this.#filling);
    this.#heldBytes += this.#filling.out.length;
    this.#filling = newBatch();
    this.#sendNext();
  }

  /** Sends as many as may be under way; a backend that fails gets no further one until it has taken or refused those that it has. */
  #sendNext(): void {
    while (
      this.#underWay.size < (this.#isFailing ? 1 : MOST_UNDER_WAY) &&
      performance.now() < this.#deadline
    ) {
      const batch = this.#full.shift();
      if (batch === undefined) return;
      const settled = this.#settle(batch).then(() => {
        this.#underWay.delete(settled);
        this.#sendNext();
      });
      this.#underWay.add(settled);
    }
  }

  async #settle(batch: Batch): Promise<void> {
    const bytes = batch.out.length;
    const outcome = await this.#sendUntilSettled(batch);
    this.#heldBytes -= bytes;
    this.queued -= batch.spans;
    if (outcome.kind === "dropped") this.dropped[outcome.reason] += batch.spans;
    else {
      this.dropped.rejected += outcome.rejected;
      this.sent += batch.spans - outcome.rejected;
    }
    recycle(batch);
  }

  async #sendUntilSettled({ out, spans }: Batch): Promise<Outcome> {
    const { exporter, giveUpMs, timeoutMs, random } = this.#options;
    const content = exporter.format.end(out);
    const body = exporter.isCompressed ? await compress(content) : content;
    const startMs = performance.now();
    for (let { backoffMs } = this.#options; ; backoffMs = Math.min(LONGEST_BACKOFF_MS, backoffMs * 2)) {
      const limitMs = Math.max(1, Math.min(timeoutMs, this.#deadline - performance.now()));
      const attempt = await this.#sender.send(body, limitMs);
      if (attempt.kind === "sent") {
        if (attempt.rejected === 0) this.#noteRecovery();
        else this.#noteFailure(`it rejected ${attempt.rejected} of ${spans} spans`);
        return { kind: "sent", rejected: Math.min(attempt.rejected, spans) };
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

  /** Says once that the backend fails and once that it is back, whatever the number of batches. */
  #noteFailure(message: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.log.warn(`cannot send spans to ${this.#options.exporter.url}: ${message}`);
  }

  #noteRecovery(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.log.info(`spans are sent to ${this.#options.exporter.url} again`);
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const wakeUp = () => {
        clearTimeout(timer);
        this.#sleepers.delete(wakeUp);
        resolve();
      };
      const timer = setTimeout(wakeUp, ms);
      this.#sleepers.add(wakeUp);
    });
  }
}

function newBatch(): Batch {
  return { out: spare.pop() ?? new ByteWriter(FIRST_BATCH_BYTES), spans: 0 };
}

function recycle({ out }: Batch): void {
  if (spare.length === MAX_SPARE || out.bytes.length < LARGE_BYTES) return;
  if (out.bytes.length > 2 * FULL_BATCH_BYTES) return;
  out.length = 0;
  spare.push(out);
}

type Outcome =
  | { readonly kind: "sent"; readonly rejected: number }
  | { readonly kind: "dropped"; readonly reason: DropReason };
