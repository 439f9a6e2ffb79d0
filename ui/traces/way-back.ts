/** The search and the trace that were shown last, for the way back from a trace to its list. */
export const wayBack = { search: "?view=traces", traceId: "" };
