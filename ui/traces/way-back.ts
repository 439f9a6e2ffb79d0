/** The search and the trace that were shown last, so that one comes back to where one was. */
export const wayBack = { search: "?view=traces", traceId: "" };
