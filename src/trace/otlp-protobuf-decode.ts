// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/collector/trace/v1/trace_service.proto
import { type OtlpBatch, OtlpBatches } from "./otlp-batches.ts";
import {
  type Attributes,
  MAX_DEPTH,
  newSpan,
  type OtlpEvent,
  type OtlpSpan,
  type Value,
} from "./otlp-span.ts";
import { surround } from "./otlp-to-zipkin.ts";
import { ProtobufReader } from "./protobuf-reader.ts";

/** The spans of a request, in pieces. @throws {ProtobufError} */
export function* decodeOtlpProtobuf(body: Uint8Array): Generator<OtlpBatch> {
  const batches = new OtlpBatches();
  for (const resourceSpans of fieldsOf(new ProtobufReader(body), 1)) {
    // A resource may stand behind its spans.
    const resource: Attributes = new Map();
    for (const message of fieldsOf(resourceSpans.again(), 1)) readInto(resource, message, 1);
    for (const scopeSpans of fieldsOf(resourceSpans.message, 2))
      yield* decodeScope(scopeSpans, resource, batches);
  }
  yield batches.take();
}

function* decodeScope(
  { message, again }: Field,
  resource: Attributes,
  batches: OtlpBatches,
): Generator<OtlpBatch> {
  let [name, version] = ["", ""];
  for (const scope of fieldsOf(again(), 1)) {
    while (scope.message.next()) {
      if (scope.message.field === 1) name = scope.message.readText();
      else if (scope.message.field === 2) version = scope.message.readText();
    }
  }
  const around = surround(resource, name, version);
  while (message.next()) {
    if (message.field !== 2) continue;
    batches.add(readProtobufSpan(message.message()), around, message.size);
    if (batches.isFull) yield batches.take();
  }
}

interface Field {
  readonly message: ProtobufReader;
  /** A reader of the same message, at its beginning. */
  readonly again: () => ProtobufReader;
}

function* fieldsOf(reader: ProtobufReader, wanted: number): Generator<Field> {
  while (reader.next()) {
    if (reader.field !== wanted) continue;
    const bytes = reader.readBytes();
    yield { message: new ProtobufReader(bytes), again: () => new ProtobufReader(bytes) };
  }
}

function readProtobufSpan(message: ProtobufReader): OtlpSpan {
  const span = newSpan();
  while (message.next()) {
    if (message.field === 1) span.traceId = message.readHex();
    else if (message.field === 2) span.spanId = message.readHex();
    else if (message.field === 4) span.parentSpanId = message.readHex();
    else if (message.field === 5) span.name = message.readText();
    else if (message.field === 6) span.kind = message.readNumber();
    else if (message.field === 7) span.start = message.readInteger();
    else if (message.field === 8) span.end = message.readInteger();
    else if (message.field === 9) readAttribute(span.attributes, message.message());
    else if (message.field === 11) span.events.push(readProtobufEvent(message.message()));
    else if (message.field === 15) readStatus(span, message.message());
  }
  return span;
}

function readStatus(span: OtlpSpan, message: ProtobufReader): void {
  while (message.next()) {
    if (message.field === 2) span.statusMessage = message.readText();
    else if (message.field === 3) span.statusCode = message.readNumber();
  }
}

function readProtobufEvent(message: ProtobufReader): OtlpEvent {
  const event: OtlpEvent = { time: 0n, name: "", attributes: new Map() };
  while (message.next()) {
    if (message.field === 1) event.time = message.readInteger();
    else if (message.field === 2) event.name = message.readText();
    else if (message.field === 3) readAttribute(event.attributes, message.message());
  }
  return event;
}

function readInto(attributes: Attributes, { message }: Field, field: number): void {
  while (message.next()) if (message.field === field) readAttribute(attributes, message.message());
}

function readAttribute(attributes: Attributes, message: ProtobufReader, depth = 0): void {
  let key = "";
  let value: Value = "";
  while (message.next()) {
    if (message.field === 1) key = message.readText();
    else if (message.field === 2) value = readProtobufValue(message.message(), depth);
  }
  attributes.set(key, value);
}

function readProtobufValue(message: ProtobufReader, depth: number): Value {
  let value: Value = "";
  if (depth > MAX_DEPTH) return value;
  while (message.next()) {
    if (message.field === 1) value = message.readText();
    else if (message.field === 2) value = message.readNumber() !== 0;
    else if (message.field === 3) value = message.readInteger();
    else if (message.field === 4) value = message.readDouble();
    else if (message.field === 5)
      value = [...fieldsOf(message.message(), 1)].map((item) => readProtobufValue(item.message, depth + 1));
    else if (message.field === 6) {
      const entries: Attributes = new Map();
      for (const item of fieldsOf(message.message(), 1)) readAttribute(entries, item.message, depth + 1);
      value = Object.fromEntries(entries);
    } else if (message.field === 7) value = message.readBytes().toString("base64");
  }
  return value;
}
