/** The classes of traces. Each trace is in exactly one: the first in this order that fits. */
export const TRACE_CLASSES = [
  "not-found",
  "partial",
  "wrong-parent",
  "wrong-service",
  "altered",
  "unexpected",
  "broken-context",
  "orphaned",
  "unknown",
  "unreached",
  "sampled-out",
  "duplicated",
  "not-sampled",
  "complete",
] as const;

export type TraceClass = (typeof TRACE_CLASSES)[number];

const FINE: readonly TraceClass[] = ["complete", "not-sampled", "duplicated", "unreached", "sampled-out"];

/** Whether nothing is wrong or unknown with traces of this class. */
export function isFine(name: TraceClass): boolean {
  return FINE.includes(name);
}
