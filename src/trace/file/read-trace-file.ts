import { type Place, skipValue, sliceJsonList } from "../json-slices.ts";
import { OtlpError } from "../otlp-span.ts";
import { readFileBytes } from "./file-bytes.ts";
import { describeForeign, lineAt } from "./file-content.ts";
import { JAEGER } from "./jaeger.ts";
import { JAEGER_V3 } from "./jaeger-v3.ts";
import { OTLP } from "./otlp.ts";
import { SpanCollection } from "./span-collection.ts";
import { TEMPO } from "./tempo.ts";
import { type TraceFile, TraceFileError } from "./trace-file.ts";
import { JsonObject, type TraceFormat } from "./trace-format.ts";
import { ZIPKIN_V1 } from "./zipkin-v1.ts";
import { INCOMPLETE_ZIPKIN, ZIPKIN_V2 } from "./zipkin-v2.ts";

/** The first format that matches an object reads it. Zipkin spans may have extra fields that identify other formats. */
const FORMATS: readonly TraceFormat[] = [
  ZIPKIN_V1,
  ZIPKIN_V2,
  OTLP,
  TEMPO,
  JAEGER_V3,
  JAEGER,
  INCOMPLETE_ZIPKIN,
];

/** Other signals, which OpenTelemetry's Collector may write into the same file as traces. */
const OTHER_SIGNALS = ["resourceLogs", "resourceMetrics", "resourceProfiles"];

/** Maximum nesting of lists. Zipkin's answers have two: traces of spans. */
const MAX_LISTS = 3;
const MAX_NAMED_FIELDS = 5;

/**
 * Reads the spans of a file of any format: a sequence of JSON values, each an object of a known format or a list of such
 * objects. Needs no file system or network, so that the page reads files in the same way as `traces import`.
 * @throws {TraceFileError} if the file is malformed or has no spans
 */
export function readTraceFile(file: Uint8Array): TraceFile {
  const bytes = readFileBytes(file);
  const foreign = describeForeign(bytes);
  if (foreign !== undefined) throw new TraceFileError(foreign);
  return new TraceFileReader(bytes).read();
}

class TraceFileReader {
  readonly #bytes: Uint8Array;
  readonly #spans = new SpanCollection();
  /** Number of objects that match no format, by description. */
  readonly #unknown = new Map<string, number>();

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  read(): TraceFile {
    this.#catchMalformed("JSON", 0, () => {
      for (let at = this.#skipGap(0); at < this.#bytes.length; ) {
        const end = skipValue(this.#bytes, at);
        this.#readValue({ start: at, end }, 0, false);
        at = this.#skipGap(end);
      }
    });
    const { spans, rejected, formats } = this.#spans;
    if (spans.length > 0 || rejected.size > 0) {
      for (const [found, count] of this.#unknown) this.#spans.reject(`${found} is not a span`, count);
      return this.#spans;
    }
    const [unknown] = this.#unknown.keys();
    throw new TraceFileError(unknown ?? `${formats[0] ?? "JSON"} without spans`);
  }

  /** @param isInner whether the value is inside an object that has a format */
  #readValue(place: Place, lists: number, isInner: boolean): void {
    const first = this.#bytes[place.start];
    if (first === OPEN_OBJECT) this.#readObject(place, isInner);
    else if (first === OPEN_LIST && lists < MAX_LISTS)
      for (const item of sliceJsonList(this.#bytes, 0, place)) this.#readValue(item, lists + 1, isInner);
    // Tempo and Jaeger write null for a trace that was not found.
    else if (!isInner)
      throw new TraceFileError(`a value that is not an object${this.#describeLine(place.start)}`);
  }

  #readObject(place: Place, isInner: boolean): void {
    const object = new JsonObject(this.#bytes, place);
    const format = this.#catchMalformed("JSON", place.start, () =>
      FORMATS.find((candidate) => candidate.matches(object)),
    );
    if (format === undefined) {
      this.#catchMalformed("JSON", place.start, () => this.#addUnknown(object));
      return;
    }
    if (!isInner) this.#spans.addFormat(format.name);
    this.#catchMalformed(format.name, place.start, () =>
      format.read(object, this.#spans, (inner) => this.#readValue(inner, 1, true)),
    );
  }

  #addUnknown({ fields, value }: JsonObject): void {
    if (OTHER_SIGNALS.some((key) => key in value)) {
      this.#spans.addFormat("OTLP JSON");
      return;
    }
    const names = [...fields.keys()].slice(0, MAX_NAMED_FIELDS).map((key) => JSON.stringify(key));
    const found =
      names.length === 0 ? "an object without fields" : `an object with the fields ${names.join(", ")}`;
    this.#unknown.set(found, (this.#unknown.get(found) ?? 0) + 1);
  }

  /** @param start offset of the value; positions in the decoders' messages are relative to it */
  #catchMalformed<T>(name: string, start: number, read: () => T): T {
    try {
      return read();
    } catch (error) {
      // Parsers recurse, so deep nesting exhausts the stack.
      if (error instanceof RangeError)
        throw new TraceFileError(`${name} with too many levels of nesting${this.#describeLine(start)}`, {
          cause: error,
        });
      if (!(error instanceof SyntaxError || error instanceof OtlpError)) throw error;
      const [, message = "", at = ""] = /^(.*?)(?: at byte (\d+))?$/s.exec(error.message) ?? [];
      const line = this.#describeLine(start === 0 && at !== "" ? Number(at) : start);
      const isCutOff = message.endsWith("but found the end");
      const found = isCutOff ? `truncated ${name}${line}` : `malformed ${name}${line}: ${message}`;
      throw new TraceFileError(found, { cause: error });
    }
  }

  #describeLine(at: number): string {
    return ` on line ${lineAt(this.#bytes, at)}`;
  }

  /** Skips white space, and the byte order marks that `cat` leaves between files. */
  #skipGap(from: number): number {
    let at = from;
    for (;;) {
      const byte = this.#bytes[at];
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) at++;
      else if (byte === 0xef && this.#bytes[at + 1] === 0xbb && this.#bytes[at + 2] === 0xbf) at += 3;
      else return at;
    }
  }
}

const OPEN_OBJECT = 0x7b;
const OPEN_LIST = 0x5b;
