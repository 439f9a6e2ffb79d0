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
  "duplicated",
  "not-sampled",
  "complete",
] as const;

export type TraceClass = (typeof TRACE_CLASSES)[number];

/** Whether nothing is wrong or unknown with traces of this class. */
export function isFine(name: TraceClass): boolean {
  return name === "complete" || name === "not-sampled" || name === "duplicated" || name === "unreached";
}
