// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
// https://opentelemetry.io/docs/specs/otel/protocol/file-exporter/
import type { Place } from "../json-slices.ts";
import { decodeOtlpJson } from "../otlp-json-decode.ts";
import type { SpanCollection } from "./span-collection.ts";
import type { JsonObject, TraceFormat } from "./trace-format.ts";

/** The objects that OTLP puts around spans. The first field that an object has shows which of them it lacks. */
const AROUND: readonly (readonly [field: string, before: string, after: string])[] = [
  ["resourceSpans", "", ""],
  ["scopeSpans", '{"resourceSpans":[', "]}"],
  ["instrumentationLibrarySpans", '{"resourceSpans":[', "]}"],
  ["ilSpans", '{"resourceSpans":[', "]}"],
  ["spanId", '{"resourceSpans":[{"scopeSpans":[{"spans":[', "]}]}]}"],
];

/** A whole request or `TracesData`, one `ResourceSpans`, or one span. */
export const OTLP: TraceFormat = {
  name: "OTLP JSON",
  matches: (object) => findAround(object) !== undefined,
  read(object, spans) {
    const [, before, after] = findAround(object) ?? ["", "", ""];
    addRequest(object.bytes, object.place, before, after, spans);
  },
};

function findAround(object: JsonObject) {
  return AROUND.find(([field]) => object.has(field));
}

/**
 * Adds the spans of a part of a request.
 * @param before the text of a request that is missing before the part; `after`: the text missing after it
 */
export function addRequest(
  bytes: Uint8Array,
  { start, end }: Place,
  before: string,
  after: string,
  spans: SpanCollection,
): void {
  const part = bytes.subarray(start, end);
  const body = before === "" ? part : concat([utf8.encode(before), part, utf8.encode(after)]);
  for (const batch of decodeOtlpJson(body)) {
    for (const span of batch.spans) spans.add(span);
    for (const [reason, count] of batch.reasons) spans.reject(reason, count);
  }
}

const utf8 = new TextEncoder();

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
