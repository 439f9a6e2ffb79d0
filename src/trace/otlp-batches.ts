import type { OtlpSpan } from "./otlp-span.ts";
import { findProblem, type Surroundings, toZipkin } from "./otlp-to-zipkin.ts";
import type { Span } from "./span.ts";

/** Spans of one request or of a part of it, and what of it was not taken. */
export interface OtlpBatch {
  readonly spans: Span[];
  rejected: number;
  /** Why the first was rejected. */
  message: string;
}

/** Spans of one piece of work: a few milliseconds. */
const BATCH_SPANS = 500;
/** And bytes that they are decoded from. */
export const BATCH_BYTES = 128 * 1024;

/** Gathers spans of a request, so that decoders can stop where there are enough of them for one piece of work. */
export class OtlpBatches {
  #batch = newBatch();
  #bytes = 0;

  get isFull(): boolean {
    return this.#batch.spans.length >= BATCH_SPANS || this.#bytes >= BATCH_BYTES;
  }

  add(span: OtlpSpan, around: Surroundings, bytes: number): void {
    this.#bytes += bytes;
    const problem = findProblem(span);
    if (problem === undefined) this.#batch.spans.push(toZipkin(span, around));
    else {
      this.#batch.rejected++;
      this.#batch.message ||= problem;
    }
  }

  take(): OtlpBatch {
    const batch = this.#batch;
    this.#batch = newBatch();
    this.#bytes = 0;
    return batch;
  }
}

function newBatch(): OtlpBatch {
  return { spans: [], rejected: 0, message: "" };
}
