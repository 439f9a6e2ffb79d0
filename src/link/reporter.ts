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
  /** The backend answered that it does not accept the batch. */
  | "rejected"
  /** The backend was unreachable or failed until {@link ReporterOptions.giveUpMs} had passed. */
  | "unavailable"
  /** The link ended before the span was sent. */
  | "shutdown";

interface ReporterOptions {
  readonly exporter: Exporter;
  /** Maximum number of queued spans, including those of batches in flight. */
  readonly queueSize: number;
  readonly batchSize: number;
  /** Maximum time that spans wait for their batch to fill. */
  readonly delayMs: number;
  /** Timeout of one request to the backend. */
  readonly timeoutMs: number;
  /** A batch is retried until it is this old. */
  readonly giveUpMs: number;
  /** The pause after the first failure; it doubles after each further one. */
  readonly backoffMs: number;
  readonly random: Random;
  readonly log: LinkLog;
}

/** The numeric settings of {@link ReporterOptions}. */
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
 * Maximum batches in flight while the backend accepts them. With only one, a backend that is 100 ms away would get at most
 * ten batches a second.
 */
const MAX_IN_FLIGHT = 4;
/** Time for the final flush if the backend has been failing. */
const LAST_CHANCE_MS = 2000;
const LONGEST_BACKOFF_MS = 10_000;
/** Enough for a link that gets few requests; there may be thousands of links in this process. */
const FIRST_BATCH_BYTES = 2048;
/** A batch of this size is sent although its number of spans is below the maximum. */
const FULL_BATCH_BYTES = 512 * 1024;
/** Maximum queued bytes: foreign headers that become tags must not fill the memory. */
const QUEUE_BYTES = 32 * 1024 * 1024;
/**
 * Large buffers are reused by all links of the process: allocating one for each batch would cause most of a link's
 * garbage.
 */
const spare: ByteWriter[] = [];
const MAX_SPARE = 8;
const LARGE_BYTES = 64 * 1024;

/** Runs in a thread of its own. */
const compress = promisify(gzip);

/** Encoded spans that are sent in one request. */
interface Batch {
  readonly out: ByteWriter;
  spans: number;
}

/**
 * Exports spans in batches, a few concurrently. The queue is bounded, so that requests never wait and memory does not grow.
 * Every span ends in exactly one counter, {@link sent} or one of {@link dropped}.
 *
 *     add -> filling -> full, full, … -> in flight -> sent, or dropped for a reason
 */
export class Reporter {
  /** Number of spans that the backend accepted. */
  sent = 0;
  readonly dropped: Record<DropReason, number> = { queue_full: 0, rejected: 0, unavailable: 0, shutdown: 0 };
  /** Number of spans that wait to be sent. */
  queued = 0;
  readonly #options: ReporterOptions;
  readonly #batchSize: number;
  readonly #sender: Sender;
  #filling: Batch;
  /** Oldest first. */
  readonly #full: Batch[] = [];
  readonly #inFlight = new Set<Promise<void>>();
  /** Bytes of the full batches and of those in flight. */
  #heldBytes = 0;
  #timer: Timer | undefined;
  /** Set by {@link close}: spans are kept until this time of `performance.now()`. */
  #deadline = Number.POSITIVE_INFINITY;
  #closing: Promise<void> | null = null;
  /** Functions that end the pauses before retries. */
  readonly #sleepers = new Set<() => void>();
  #isFailing = false;

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#batchSize = Math.min(options.batchSize, options.queueSize);
    this.#sender = new Sender(options.exporter);
    this.#filling = newBatch();
  }

  /** Adds a finished span. Its bytes are copied, so that the record can be reused. */
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

  /** Sends the queued spans within `graceMs`, and drops the rest as `shutdown`. Later calls wait for the first. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#flush(graceMs);
    return this.#closing;
  }

  async #flush(graceMs: number): Promise<void> {
    // A failing backend gets one last chance instead of the whole grace period.
    const limitMs = this.#isFailing ? Math.min(graceMs, LAST_CHANCE_MS) : graceMs;
    this.#deadline = performance.now() + limitMs;
    const cutTimer = setTimeout(() => this.#sender.close(), limitMs);
    for (const wakeUp of this.#sleepers) wakeUp();
    if (this.#filling.spans > 0) this.#closeBatch();
    while (this.#inFlight.size > 0) await Promise.all(this.#inFlight);
    clearTimeout(cutTimer);
    this.#sender.close();
    this.dropped.shutdown += this.queued;
    this.queued = 0;
    this.#full.length = 0;
  }

  /** Moves the batch that is being filled to the end of the queue. */
  #closeBatch(): void {
    clearTimeout(this.#timer);
    this.#full.push(this.#filling);
    this.#heldBytes += this.#filling.out.length;
    this.#filling = newBatch();
    this.#sendNext();
  }

  /** Sends as many batches as may be in flight. A failing backend gets no other until it accepts or rejects those it has. */
  #sendNext(): void {
    while (
      this.#inFlight.size < (this.#isFailing ? 1 : MAX_IN_FLIGHT) &&
      performance.now() < this.#deadline
    ) {
      const batch = this.#full.shift();
      if (batch === undefined) return;
      const settled = this.#settle(batch).then(() => {
        this.#inFlight.delete(settled);
        this.#sendNext();
      });
      this.#inFlight.add(settled);
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
      // Half of the backoff is random, so that links which lost the same backend do not all return at once.
      const waitMs = Math.max(attempt.retryAfterMs, backoffMs * (0.5 + random() / 2));
      if (performance.now() + waitMs > this.#deadline) return { kind: "dropped", reason: "shutdown" };
      // Sleep before dropping the batch as well: the next one must not bother the backend any earlier.
      await this.#sleep(waitMs);
      const isOver = this.#closing === null && performance.now() - startMs > giveUpMs;
      if (isOver) return { kind: "dropped", reason: "unavailable" };
    }
  }

  /** Logs once that the backend fails and once that it works again, whatever the number of batches. */
  #noteFailure(message: string): void {
    if (this.#isFailing) return;
    this.#isFailing = true;
    this.#options.log.warn(`cannot send spans to ${this.#options.exporter.url}: ${message}`);
  }

  #noteRecovery(): void {
    if (!this.#isFailing) return;
    this.#isFailing = false;
    this.#options.log.info(`sending spans to ${this.#options.exporter.url} again`);
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
