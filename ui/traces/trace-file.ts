import { signal } from "@preact/signals";
import { summarizeTrace } from "../../src/collector/trace-summary.ts";
import type { Span } from "../../src/trace/span.ts";
import { normalizeSpan } from "../../src/trace/zipkin-span.ts";
import type { Listing } from "./listing.ts";

/** Traces of a file that somebody opened in this page; they never leave it. */
export interface TraceFile {
  readonly name: string;
  readonly traces: ReadonlyMap<string, readonly Span[]>;
  readonly listing: Listing;
}

export const traceFile = signal<TraceFile | null>(null);
export const traceFileProblem = signal("");

/** It is not, or not as it is in the file, at the collector. */
export function isOfFile(traceId: string): boolean {
  return traceFile.peek()?.traces.has(traceId) ?? false;
}

export async function openTraceFile(file: File): Promise<void> {
  try {
    const spans = readSpans(await file.text());
    const traces = Map.groupBy(spans, ({ traceId }) => traceId);
    traceFile.value = { name: file.name, traces, listing: listingOf(traces) };
    traceFileProblem.value = "";
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    traceFileProblem.value = `${file.name} holds no traces in Zipkin's JSON, such as the JSON of a trace or what 'chain-link traces export' writes: ${why}.`;
  }
}

/**
 * The spans of Zipkin v2 JSON, one trace or a list of traces.
 * @throws {Error} that says what is wrong and where
 */
export function readSpans(text: string): Span[] {
  const value: unknown = JSON.parse(text);
  if (!Array.isArray(value)) throw new Error("expected a list of spans or of traces");
  const spans = value.flat(1).map(normalizeSpan);
  if (spans.length === 0) throw new Error("it is empty");
  return spans;
}

function listingOf(traces: ReadonlyMap<string, readonly Span[]>): Listing {
  const summaries = Array.from(traces.values(), summarizeTrace).sort((a, b) => b.timestamp - a.timestamp);
  const names = [...traces.values()].flat().flatMap(({ localEndpoint }) => localEndpoint?.serviceName ?? []);
  return { traces: summaries, services: [...new Set(names)].sort(), counts: null };
}
