import { formatCount } from "../../lib/count.ts";
import type { Span } from "../span.ts";

/** The content of a trace file. `spans`, `duplicates` and `rejected` add up to all spans read. */
export interface TraceFile {
  /** Names of the formats in the file; nearly every file has one. */
  readonly formats: readonly string[];
  /** Normalized, without duplicates, in file order. */
  readonly spans: readonly Span[];
  /** Spans that equal an earlier one in every field. */
  readonly duplicates: number;
  /** Number of rejected spans, by reason. */
  readonly rejected: ReadonlyMap<string, number>;
}

/** The file cannot be read as traces; the message says what was expected, what was found, and where. */
export class TraceFileError extends Error {
  override readonly name = "TraceFileError";

  constructor(found: string, options?: ErrorOptions) {
    super(`expected ${EXPECTED}, found ${found}`, options);
  }
}

const EXPECTED = "a JSON list of spans, or another trace file from Zipkin, OTLP, Jaeger or Tempo";

export function countRejected({ rejected }: TraceFile): number {
  return [...rejected.values()].reduce((sum, count) => sum + count, 0);
}

/** `2 spans rejected: a span id is not 8 bytes`, for each reason. */
export function describeRejected({ rejected }: TraceFile): string[] {
  return Array.from(rejected, ([reason, count]) => `${formatCount(count, "span")} rejected: ${reason}`);
}
