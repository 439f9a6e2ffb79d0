import { signal } from "@preact/signals";
import { summarizeTrace } from "../../src/collector/trace-summary.ts";
import { readTraceFile } from "../../src/trace/file/read-trace-file.ts";
import { describeRejected } from "../../src/trace/file/trace-file.ts";
import type { Span } from "../../src/trace/span.ts";
import type { Listing } from "./listing.ts";

/** Traces of a file that somebody opened in this page; they never leave it. */
export interface TraceFile {
  readonly name: string;
  readonly traces: ReadonlyMap<string, readonly Span[]>;
  readonly listing: Listing;
}

/** For the dialog of a browser. */
export const TRACE_FILES = ".json,.jsonl,.ndjson,.gz,.txt,application/json,application/gzip";

export const traceFile = signal<TraceFile | null>(null);
/** Why the last file was not opened, or what of it was left out. */
export const traceFileProblem = signal("");

/** It is not, or not as it is in the file, at the collector. */
export function isOfFile(traceId: string): boolean {
  return traceFile.peek()?.traces.has(traceId) ?? false;
}

export async function openTraceFile(file: File): Promise<void> {
  try {
    const read = readTraceFile(new Uint8Array(await file.arrayBuffer()));
    const problems = describeRejected(read);
    if (read.spans.length === 0) throw new Error(problems.join(", "));
    const traces = Map.groupBy(read.spans, ({ traceId }) => traceId);
    traceFile.value = { name: file.name, traces, listing: listingOf(traces) };
    traceFileProblem.value = problems.length === 0 ? "" : `${file.name}: ${problems.join(", ")}.`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    traceFileProblem.value = `${file.name} holds no traces that can be shown: ${why}.`;
  }
}

function listingOf(traces: ReadonlyMap<string, readonly Span[]>): Listing {
  const summaries = Array.from(traces.values(), summarizeTrace).sort((a, b) => b.timestamp - a.timestamp);
  const names = [...traces.values()].flat().flatMap(({ localEndpoint }) => localEndpoint?.serviceName ?? []);
  return { traces: summaries, services: [...new Set(names)].sort(), counts: null };
}
