import type { Endpoint } from "../../lib/endpoint.ts";
import { errorText, UserError } from "../../lib/errors.ts";
import { readTraceFile } from "../../trace/file/read-trace-file.ts";
import { type TraceFile, TraceFileError } from "../../trace/file/trace-file.ts";
import { readInput } from "../shell/input-file.ts";
import { SpanSender } from "./span-sender.ts";
import { TraceBackend } from "./trace-backend.ts";

export interface Imported {
  readonly file: TraceFile;
  /** Name of the file in messages. */
  readonly name: string;
  readonly sent: SpanSender;
}

/**
 * Sends the spans of a trace file to a collector, a Zipkin or an OTLP receiver; `-` is standard input. Sends nothing of a
 * malformed file. When the signal aborts, sending stops after the batch in flight.
 * @throws {UserError} says how many spans were stored, if some were
 */
export async function importTraces(file: string, to: Endpoint, signal: AbortSignal): Promise<Imported> {
  const { bytes, name } = await readInput(file);
  const read = parse(bytes, name);
  const sent = new SpanSender(new TraceBackend(to));
  try {
    await sent.send(read.spans, signal);
  } catch (error) {
    if (!(error instanceof UserError) || sent.stored === 0) throw error;
    const { code, message, hint } = error;
    const progress = `${sent.stored} of ${read.spans.length} spans of ${name} were stored before that`;
    throw new UserError(code, `${message}; ${progress}`, hint, { cause: error });
  }
  return { file: read, name, sent };
}

function parse(bytes: Uint8Array, name: string): TraceFile {
  try {
    return readTraceFile(bytes);
  } catch (error) {
    if (!(error instanceof TraceFileError)) throw error;
    throw new UserError("data-invalid", `${name}: ${errorText(error)}`, undefined, { cause: error });
  }
}
