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
import {
  addLinkTag,
  addTag,
  DROPPED_ATTRIBUTES,
  DROPPED_EVENTS,
  DROPPED_LINKS,
  type OtlpLink,
  TRACE_STATE,
} from "./otlp-tags.ts";
import { type Surroundings, surroundResource, surroundScope } from "./otlp-to-zipkin.ts";
import { ProtobufReader } from "./protobuf-reader.ts";

/** Decodes the spans of a request in batches, which may be empty. @throws {OtlpError | ProtobufError} */
export function* decodeOtlpProtobuf(body: Uint8Array): Generator<OtlpBatch> {
  const batches = new OtlpBatches();
  const request = new ProtobufReader(body);
  while (request.next()) {
    batches.pass();
    if (batches.isFull) yield batches.take();
    if (request.field !== 1) continue;
    // The resource may follow its spans.
    const resource = readResource(request.piece());
    const resourceSpans = request.piece();
    while (resourceSpans.next())
      if (resourceSpans.field === 2) yield* decodeScope(resourceSpans, resource, batches);
  }
  yield batches.take();
}

function readResource(resourceSpans: ProtobufReader): Surroundings {
  const attributes: Attributes = new Map();
  while (resourceSpans.next())
    if (resourceSpans.field === 1) readInto(attributes, resourceSpans.message(), 1);
  return surroundResource(attributes);
}

/** @param field the field whose message is the `ScopeSpans` */
function* decodeScope(
  field: ProtobufReader,
  resource: Surroundings,
  batches: OtlpBatches,
): Generator<OtlpBatch> {
  const around = yield* readScope(field, resource, batches);
  batches.pass(around.tags.size);
  const scopeSpans = field.unlimited();
  while (scopeSpans.next()) {
    if (scopeSpans.field === 2) batches.add(readProtobufSpan(scopeSpans.piece()), around, scopeSpans.size);
    else batches.pass();
    if (batches.isFull) yield batches.take();
  }
}

/** The scope may also follow its spans. */
function* readScope(
  field: ProtobufReader,
  resource: Surroundings,
  batches: OtlpBatches,
): Generator<OtlpBatch, Surroundings> {
  let [name, version] = ["", ""];
  const attributes: Attributes = new Map();
  const scopeSpans = field.unlimited();
  while (scopeSpans.next()) {
    batches.pass();
    if (batches.isFull) yield batches.take();
    if (scopeSpans.field !== 1) continue;
    const scope = scopeSpans.piece();
    while (scope.next()) {
      if (scope.field === 1) name = scope.readText();
      else if (scope.field === 2) version = scope.readText();
      else if (scope.field === 3) readAttribute(attributes, scope.message());
    }
  }
  return surroundScope(resource, name, version, attributes);
}

function readProtobufSpan(message: ProtobufReader): OtlpSpan {
  const span = newSpan();
  let links = 0;
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
    else if (message.field === 3) addTag(span, TRACE_STATE, message.readText());
    else if (message.field === 10) addTag(span, DROPPED_ATTRIBUTES, message.readNumber());
    else if (message.field === 12) addTag(span, DROPPED_EVENTS, message.readNumber());
    else if (message.field === 13) addLinkTag(span, links++, readLink(message.message()));
    else if (message.field === 14) addTag(span, DROPPED_LINKS, message.readNumber());
  }
  return span;
}

function readLink(message: ProtobufReader): OtlpLink {
  const link: OtlpLink = {
    traceId: "",
    spanId: "",
    traceState: "",
    attributes: new Map(),
    droppedAttributes: 0,
  };
  while (message.next()) {
    if (message.field === 1) link.traceId = message.readHex();
    else if (message.field === 2) link.spanId = message.readHex();
    else if (message.field === 3) link.traceState = message.readText();
    else if (message.field === 4) readAttribute(link.attributes, message.message());
    else if (message.field === 5) link.droppedAttributes = message.readNumber();
  }
  return link;
}

function readStatus(span: OtlpSpan, message: ProtobufReader): void {
  while (message.next()) {
    if (message.field === 2) span.statusMessage = message.readText();
    else if (message.field === 3) span.statusCode = message.readNumber();
  }
}

function readProtobufEvent(message: ProtobufReader): OtlpEvent {
  const event: OtlpEvent = { time: 0n, name: "", attributes: new Map() };
  let dropped = 0;
  while (message.next()) {
    if (message.field === 1) event.time = message.readInteger();
    else if (message.field === 2) event.name = message.readText();
    else if (message.field === 3) readAttribute(event.attributes, message.message());
    else if (message.field === 4) dropped = message.readNumber();
  }
  if (dropped > 0) event.attributes.set(DROPPED_ATTRIBUTES, dropped);
  return event;
}

function readInto(attributes: Attributes, message: ProtobufReader, field: number, depth = 0): void {
  while (message.next()) if (message.field === field) readAttribute(attributes, message.message(), depth);
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
    else if (message.field === 5) {
      const list = message.message();
      const items: Value[] = [];
      while (list.next()) if (list.field === 1) items.push(readProtobufValue(list.message(), depth + 1));
      value = items;
    } else if (message.field === 6) {
      const entries: Attributes = new Map();
      readInto(entries, message.message(), 1, depth + 1);
      value = Object.fromEntries(entries);
    } else if (message.field === 7) value = message.readBytes().toString("base64");
  }
  return value;
}
