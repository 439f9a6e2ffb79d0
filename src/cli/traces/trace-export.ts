import type { Endpoint } from "../../lib/endpoint.ts";
import { ResultFile } from "../../lib/result-file.ts";
import { encodeOtlpByService, groupByService } from "../../trace/otlp-by-service.ts";
import type { Span } from "../../trace/span.ts";
import type { Output } from "../shell/output.ts";
import { TraceBackend } from "./trace-backend.ts";
import { readTraceWindows } from "./trace-windows.ts";

interface ExportOptions {
  readonly from: Endpoint;
  readonly service: string | null;
  readonly query: string | null;
  readonly lookbackMs: number;
  /** Maximum number of traces. */
  readonly limit: number;
  readonly format: "zipkin" | "otlp";
}

/** Also exports traces of links whose clocks are slightly ahead. */
const CLOCK_MARGIN_MS = 60_000;

/**
 * Writes traces of a Zipkin or a collector to a file, newest first; `-` is standard output. A failed export leaves an
 * existing file unchanged.
 * @throws {UserError}
 */
export async function exportTraces(
  file: string,
  options: ExportOptions,
  output: Output,
): Promise<{ traces: number; spans: number }> {
  const sink = file === "-" ? standardOutput(output) : new ResultFile(file);
  try {
    const done =
      options.format === "zipkin" ? await writeZipkin(sink, options) : await writeOtlp(sink, options);
    sink.finish();
    return done;
  } finally {
    sink.discard();
  }
}

type Sink = { write(text: string): void | Promise<void> } & Pick<ResultFile, "finish" | "discard">;

function standardOutput(output: Output): Sink {
  return { write: (text) => output.result(text), finish() {}, discard() {} };
}

/** One JSON list with one span per line. */
async function writeZipkin(sink: Sink, options: ExportOptions) {
  let [traces, spans] = [0, 0];
  await sink.write("[");
  for await (const trace of readTraces(options)) {
    const text = trace.map((span) => JSON.stringify(span)).join(",\n");
    await sink.write(spans === 0 ? `\n${text}` : `,\n${text}`);
    traces++;
    spans += trace.length;
  }
  await sink.write("\n]\n");
  return { traces, spans };
}

async function writeOtlp(sink: Sink, options: ExportOptions) {
  let [traces, spans] = [0, 0];
  for await (const trace of readTraces(options)) {
    for (const some of groupByService(trace)) await sink.write(`${encodeOtlpByService(some)}\n`);
    traces++;
    spans += trace.length;
  }
  return { traces, spans };
}

async function* readTraces({
  from,
  service,
  query,
  lookbackMs,
  limit,
}: ExportOptions): AsyncGenerator<Span[]> {
  const now = Date.now();
  const period = { startMs: now - Math.ceil(lookbackMs), endMs: now + CLOCK_MARGIN_MS };
  let left = limit;
  for await (const traces of readTraceWindows(new TraceBackend(from), { service, query, ...period })) {
    yield* traces.slice(0, left);
    left -= traces.length;
    if (left <= 0) return;
  }
}
