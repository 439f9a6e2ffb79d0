import type { Span } from "../trace/span.ts";

const HALF = 2 ** 31;

/**
 * Zipkin's boundary sampler: keeps a share of the traces by the low 64 bits of their ids, so that collectors with the
 * same rate keep the same ones. Debug spans are kept.
 */
export function sampleSpans(spans: readonly Span[], rate: number): readonly Span[] {
  if (rate >= 1) return spans;
  return spans.filter(({ traceId, debug }) => debug || magnitudeOf(traceId) <= rate);
}

/** The absolute value of the low 64 bits, signed, as a share of the highest. */
function magnitudeOf(traceId: string): number {
  const high = Number.parseInt(traceId.slice(-16, -8), 16) | 0;
  const low = Number.parseInt(traceId.slice(-8), 16);
  return Math.abs(high + low / 2 ** 32) / HALF;
}
