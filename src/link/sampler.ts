/**
 * Decides about a trace that begins here, or whose caller left it to us, by the two unsigned words of the low half of
 * its id.
 */
export type Sampler = (high: number, low: number) => boolean;

/** Always or never, or the given share of traces, as OpenTelemetry's TraceIdRatioBased. */
export function ratioSampler(ratio: number): Sampler {
  if (ratio >= 1) return () => true;
  if (ratio <= 0) return () => false;
  // 52 bits of the id are enough for any ratio that a person writes, and exact as a number.
  const bound = ratio * 2 ** 52;
  return (high, low) => (high & 0xfffff) * 2 ** 32 + low < bound;
}
