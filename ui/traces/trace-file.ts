import { signal } from "@preact/signals";
import type { FileTraces } from "./trace-file-reader.ts";

/** Traces of a file that was opened in this page. They are never sent anywhere. */
export interface TraceFile extends FileTraces {
  readonly name: string;
}

/** Extensions and media types for the browser's file dialog. */
export const TRACE_FILES = ".json,.jsonl,.ndjson,.gz,.txt,application/json,application/gzip";

export const traceFile = signal<TraceFile | null>(null);
/** Why the last file was not opened, or which part of it was left out. */
export const traceFileProblem = signal("");

/** Whether the trace was opened from a file. The collector may not have it, or have other spans of it. */
export function isFromFile(traceId: string): boolean {
  return traceFile.peek()?.traces.has(traceId) ?? false;
}

export async function openTraceFile(file: File): Promise<void> {
  const reader = await import("./trace-file-reader.ts").catch(() => null);
  if (reader === null) {
    traceFileProblem.value =
      "The reader of trace files cannot be loaded. Is chain-link still running? Reload the page and open the file again.";
    return;
  }
  try {
    const read = reader.readFileTraces(new Uint8Array(await file.arrayBuffer()));
    traceFile.value = { name: file.name, ...read };
    traceFileProblem.value = read.problems.length === 0 ? "" : `${file.name}: ${read.problems.join(", ")}.`;
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    traceFileProblem.value = `${file.name} has no traces that can be shown: ${why}.`;
  }
}
