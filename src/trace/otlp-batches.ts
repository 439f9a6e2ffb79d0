import { OtlpError, type OtlpSpan } from "./otlp-span.ts";
import { findProblem, type Surroundings, toZipkin } from "./otlp-to-zipkin.ts";
import type { Span } from "./span.ts";

/** Spans of one request or of a part of it, and what of it was not taken. */
export interface OtlpBatch {
  readonly spans: Span[];
  rejected: number;
  /** Why the first was rejected. */
  message: string;
  /** How many were rejected, by reason. */
  readonly reasons: Map<string, number>;
}

/** Spans of one piece of work: a few milliseconds. */
const BATCH_SPANS = 500;
/** And bytes that they are decoded from. */
export const BATCH_BYTES = 128 * 1024;
/** And tags that they get. */
const BATCH_TAGS = 20_000;
/** Each span has the tags of its resource, so that a small request may ask for gigabytes. */
const MAX_TAGS = 5_000_000;

/** Gathers spans of a request, so that decoders can stop where there are enough of them for one piece of work. */
export class OtlpBatches {
  #batch = newBatch();
  #items = 0;
  #bytes = 0;
  #tags = 0;
  #allTags = 0;

  /** Whether it is time to {@link take} what there is, be it nothing but work that was done. */
  get isFull(): boolean {
    return this.#items >= BATCH_SPANS || this.#bytes >= BATCH_BYTES || this.#tags >= BATCH_TAGS;
  }

  /** @throws {OtlpError} when all spans together have too many tags */
  add(span: OtlpSpan, around: Surroundings, bytes: number): void {
    this.#items++;
    this.#bytes += bytes;
    const problem = findProblem(span);
    if (problem === undefined) {
      this.#countTags(around.tags.size + span.attributes.size);
      this.#batch.spans.push(toZipkin(span, around));
    } else {
      this.#batch.rejected++;
      this.#batch.message ||= problem;
      this.#batch.reasons.set(problem, (this.#batch.reasons.get(problem) ?? 0) + 1);
    }
  }

  /** Something that is no span was read: a scope with this many tags, or a field that is skipped. */
  pass(tags = 0): void {
    this.#items++;
    this.#tags += tags;
  }

  take(): OtlpBatch {
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#items = this.#bytes = this.#tags = 0;
    return batch;
  }

  #countTags(tags: number): void {
    this.#tags += tags;
    this.#allTags += tags;
    if (this.#allTags > MAX_TAGS)
      throw new OtlpError(
        `Expected at most ${MAX_TAGS} attributes, those of resources counted for each span`,
      );
  }
}

function newBatch(): OtlpBatch {
  return { spans: [], rejected: 0, message: "", reasons: new Map() };
}
