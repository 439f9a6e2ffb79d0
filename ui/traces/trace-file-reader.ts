import type { Listing } from "../../src/contract/listing.ts";
import { summarizeTrace } from "../../src/contract/trace-summary.ts";
import { readTraceFile } from "../../src/trace/file/read-trace-file.ts";
import { describeRejected } from "../../src/trace/file/trace-file.ts";
import type { Span } from "../../src/trace/span.ts";

// This module is loaded when a file is opened, because the readers of all formats are a third of the page's
// script.

export interface FileTraces {
  readonly traces: ReadonlyMap<string, readonly Span[]>;
  readonly listing: Listing;
  /** What was left out and why. */
  readonly problems: readonly string[];
}

/** @throws {Error} if the file holds no span that can be shown */
export function readFileTraces(bytes: Uint8Array<ArrayBuffer>): FileTraces {
  const read = readTraceFile(bytes);
  const problems = describeRejected(read);
  if (read.spans.length === 0) throw new Error(problems.join(", "));
  const traces = Map.groupBy(read.spans, ({ traceId }) => traceId);
  return { traces, listing: listingOf(traces), problems };
}

function listingOf(traces: ReadonlyMap<string, readonly Span[]>): Listing {
  const summaries = Array.from(traces.values(), summarizeTrace).sort((a, b) => b.timestamp - a.timestamp);
  const names = [...traces.values()].flat().flatMap(({ localEndpoint }) => localEndpoint?.serviceName ?? []);
  return { traces: summaries, services: [...new Set(names)].sort(), counts: null };
}
