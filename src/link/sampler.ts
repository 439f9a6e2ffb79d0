/**
 * Decides whether to sample a trace that begins here, or whose caller made no decision, by the two unsigned words of the
 * low half of its id.
 */
export type Sampler = (high: number, low: number) => boolean;

/** Samples the given share of traces, like OpenTelemetry's TraceIdRatioBased. */
export function ratioSampler(ratio: number): Sampler {
  if (ratio >= 1) return () => true;
  if (ratio <= 0) return () => false;
  // 52 bits of the id suffice for any ratio that a person writes, and are exact as a number.
  const bound = ratio * 2 ** 52;
  return (high, low) => (high & 0xfffff) * 2 ** 32 + low < bound;
}
