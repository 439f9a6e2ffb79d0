import { OtlpError, type OtlpSpan } from "./otlp-span.ts";
import { findProblem, type Surroundings, toZipkin } from "./otlp-to-zipkin.ts";
import type { Span } from "./span.ts";

/** Some spans of one request, and the ones that were rejected. */
export interface OtlpBatch {
  readonly spans: Span[];
  rejected: number;
  /** Why the first span was rejected. */
  message: string;
  /** Number of rejected spans, by reason. */
  readonly reasons: Map<string, number>;
}

/** Maximum spans per batch, so that decoding one takes a few milliseconds. */
const BATCH_SPANS = 500;
/** Maximum bytes from which a batch is decoded. */
export const BATCH_BYTES = 128 * 1024;
/** Maximum tags in a batch. */
const BATCH_TAGS = 20_000;
/** Maximum tags in a request. Each span gets the tags of its resource, so a small request could ask for gigabytes. */
const MAX_TAGS = 5_000_000;

/** Gathers the spans of a request into batches, so that decoders can pause after each. */
export class OtlpBatches {
  #batch = newBatch();
  #items = 0;
  #bytes = 0;
  #tags = 0;
  #allTags = 0;

  /** Whether it is time to {@link take} the batch, even if it has only work and no spans. */
  get isFull(): boolean {
    return this.#items >= BATCH_SPANS || this.#bytes >= BATCH_BYTES || this.#tags >= BATCH_TAGS;
  }

  /** @throws {OtlpError} if all spans of the request together have too many tags */
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

  /** Counts something else that was read: a scope with this many tags, or a skipped field. */
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
        `Expected at most ${MAX_TAGS} attributes, counting those of a resource for each of its spans`,
      );
  }
}

function newBatch(): OtlpBatch {
  return { spans: [], rejected: 0, message: "", reasons: new Map() };
}
