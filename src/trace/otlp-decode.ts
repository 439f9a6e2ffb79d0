// OTLP 1.x traces to Zipkin spans:
// https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/
import { isIPv4, isIPv6 } from "node:net";
import { isRecord } from "../lib/record.ts";
import { ProtobufReader } from "./protobuf-reader.ts";
import type { Annotation, Endpoint, Span, SpanKind } from "./span.ts";

/** A body that is no `ExportTraceServiceRequest`. */
export class OtlpError extends Error {
  override readonly name = "OtlpError";
}

/** Spans of one request, and what of it was not taken. */
export interface OtlpBatch {
  readonly spans: Span[];
  rejected: number;
  /** Why the first was rejected. */
  message: string;
}

/** What OTLP says of a span, in either form. */
interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  start: bigint;
  end: bigint;
  attributes: Attributes;
  events: OtlpEvent[];
  statusCode: number;
  statusMessage: string;
}

interface OtlpEvent {
  time: bigint;
  name: string;
  attributes: Attributes;
}

type Value = string | number | boolean | bigint | null | Value[] | { [key: string]: Value };
type Attributes = Map<string, Value>;

const KINDS: readonly (SpanKind | undefined)[] = [
  undefined,
  undefined,
  "SERVER",
  "CLIENT",
  "PRODUCER",
  "CONSUMER",
];
const KIND_NAMES = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_NAMES = ["UNSET", "OK", "ERROR"];
const STATUS_OK = 1;
const STATUS_ERROR = 2;
/** Attributes that name the other side of a call, the best first. */
const REMOTE_NAMES = ["peer.service", "server.address", "net.peer.name", "network.peer.address"];
const REMOTE_PORTS = ["server.port", "net.peer.port", "network.peer.port"];
/** Deeper values are cut off. */
const MAX_DEPTH = 20;

/** What all spans below a resource and a scope have. */
interface Surroundings {
  readonly serviceName: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** @throws {OtlpError} when the body is not JSON, or not of this shape */
export function* decodeOtlpJson(body: Uint8Array): Generator<OtlpBatch> {
  const request = parse(body);
  for (const resourceSpans of listOf(request, "resourceSpans")) {
    const resource = readAttributes(recordOf(resourceSpans, "resource"));
    for (const scopeSpans of listOf(resourceSpans, "scopeSpans")) {
      const scope = recordOf(scopeSpans, "scope");
      const around = surround(resource, textOf(scope.name), textOf(scope.version));
      const batch: OtlpBatch = { spans: [], rejected: 0, message: "" };
      for (const span of listOf(scopeSpans, "spans")) addSpan(batch, readJsonSpan(span), around);
      yield batch;
    }
  }
}

/** @throws {ProtobufError} */
export function* decodeOtlpProtobuf(body: Uint8Array): Generator<OtlpBatch> {
  const request = new ProtobufReader(body);
  while (request.next()) {
    if (request.field !== 1) continue;
    // A resource may stand behind its spans.
    const resource: Attributes = new Map();
    for (const message of fieldsOf(request.message(), 1)) readInto(resource, message, 1);
    for (const scopeSpans of fieldsOf(request.message(), 2)) yield* decodeScope(scopeSpans, resource);
  }
}

const SPANS_PER_GROUP = 500;

function* decodeScope({ message, again }: Field, resource: Attributes): Generator<OtlpBatch> {
  let [name, version] = ["", ""];
  for (const scope of fieldsOf(again(), 1)) {
    while (scope.message.next()) {
      if (scope.message.field === 1) name = scope.message.readText();
      else if (scope.message.field === 2) version = scope.message.readText();
    }
  }
  const around = surround(resource, name, version);
  let batch: OtlpBatch = { spans: [], rejected: 0, message: "" };
  while (message.next()) {
    if (message.field !== 2) continue;
    addSpan(batch, readProtobufSpan(message.message()), around);
    if (batch.spans.length < SPANS_PER_GROUP) continue;
    yield batch;
    batch = { spans: [], rejected: 0, message: "" };
  }
  yield batch;
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

function addSpan(batch: OtlpBatch, span: OtlpSpan, around: Surroundings): void {
  const problem = findProblem(span);
  if (problem === undefined) batch.spans.push(toZipkin(span, around));
  else {
    batch.rejected++;
    batch.message ||= problem;
  }
}

function findProblem({ traceId, spanId, parentSpanId }: OtlpSpan): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(traceId)) return "a trace id is not 16 bytes";
  if (/^0+$/.test(traceId)) return "a trace id is all zeros";
  if (!/^[0-9a-f]{16}$/.test(spanId)) return "a span id is not 8 bytes";
  if (/^0+$/.test(spanId)) return "a span id is all zeros";
  if (parentSpanId !== "" && !/^[0-9a-f]{16}$/.test(parentSpanId)) return "a parent span id is not 8 bytes";
  return undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

function toZipkin(span: OtlpSpan, { serviceName, tags }: Surroundings): Span {
  const { traceId, parentSpanId, spanId } = span;
  const isShort = traceId.startsWith("0".repeat(16));
  const result: Mutable<Span> = { traceId: isShort ? traceId.slice(16) : traceId, id: spanId };
  if (parentSpanId !== "" && !/^0+$/.test(parentSpanId) && parentSpanId !== spanId)
    result.parentId = parentSpanId;
  const kind = KINDS[span.kind];
  if (kind !== undefined) result.kind = kind;
  if (span.name !== "") result.name = span.name.toLowerCase();
  const timestamp = Number(span.start / 1000n);
  if (timestamp > 0) {
    result.timestamp = timestamp;
    const nanos = Number(span.end - span.start);
    if (nanos >= 0) result.duration = Math.max(1, Math.floor(nanos / 1000));
  }
  if (serviceName !== "") result.localEndpoint = { serviceName };
  const remote = kind === "CLIENT" || kind === "PRODUCER" ? findRemote(span.attributes) : undefined;
  if (remote !== undefined) result.remoteEndpoint = remote;
  if (span.events.length > 0) result.annotations = toAnnotations(span.events);
  const all = new Map(tags);
  for (const [key, value] of span.attributes) all.set(key, formatValue(value));
  if (all.get("error") === "false") all.delete("error");
  if (span.statusCode === STATUS_OK) all.set("otel.status_code", "OK");
  if (span.statusCode === STATUS_ERROR) {
    all.set("otel.status_code", "ERROR");
    all.set("error", span.statusMessage || all.get("error") || "true");
  }
  if (all.size > 0) result.tags = Object.fromEntries([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
  return result;
}

function toAnnotations(events: readonly OtlpEvent[]): Annotation[] {
  return events
    .map(({ time, name, attributes }) => ({
      timestamp: Number(time / 1000n),
      value: attributes.size === 0 ? name : formatValue({ [name]: Object.fromEntries(attributes) }),
    }))
    .sort((a, b) => a.timestamp - b.timestamp || (a.value < b.value ? -1 : 1));
}

function findRemote(attributes: Attributes): Endpoint | undefined {
  const name = REMOTE_NAMES.map((key) => attributes.get(key)).find(
    (value) => value !== undefined && value !== "",
  );
  if (name === undefined) return undefined;
  const text = formatValue(name).toLowerCase();
  const port = Number(REMOTE_PORTS.map((key) => attributes.get(key)).find((value) => value !== undefined));
  return {
    ...(isIPv4(text) ? { ipv4: text } : isIPv6(text) ? { ipv6: text } : { serviceName: text }),
    ...(Number.isInteger(port) && port > 0 && port < 65_536 && { port }),
  };
}

function surround(resource: Attributes, scopeName: string, scopeVersion: string): Surroundings {
  const tags = new Map<string, string>();
  for (const [key, value] of resource) if (key !== "service.name") tags.set(key, formatValue(value));
  if (scopeName !== "") tags.set("otel.scope.name", scopeName);
  if (scopeVersion !== "") tags.set("otel.scope.version", scopeVersion);
  const name = resource.get("service.name");
  return { serviceName: name === undefined ? "" : formatValue(name).toLowerCase(), tags };
}

function formatValue(value: Value): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return String(value ?? "");
  return JSON.stringify(value, (_, item) => (typeof item === "bigint" ? Number(item) : item));
}

// Protobuf

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

// JSON

type Json = Readonly<Record<string, unknown>>;

function parse(body: Uint8Array): Json {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(body));
  } catch (error) {
    throw new OtlpError((error as Error).message, { cause: error });
  }
  if (!isRecord(value)) throw new OtlpError("Expected an object with resourceSpans");
  return value;
}

function readJsonSpan(json: Json): OtlpSpan {
  const status = recordOf(json, "status");
  return {
    ...newSpan(),
    traceId: readId(json.traceId, 16),
    spanId: readId(json.spanId, 8),
    parentSpanId: readId(json.parentSpanId, 8),
    name: textOf(json.name),
    kind: readEnum(json.kind, KIND_NAMES, "SPAN_KIND_"),
    start: readNanos(json.startTimeUnixNano),
    end: readNanos(json.endTimeUnixNano),
    attributes: readAttributes(json),
    events: listOf(json, "events").map((event) => ({
      time: readNanos(event.timeUnixNano),
      name: textOf(event.name),
      attributes: readAttributes(event),
    })),
    statusCode: readEnum(status.code, STATUS_NAMES, "STATUS_CODE_"),
    statusMessage: textOf(status.message),
  };
}

/** Hex digits in any case; also base64, which is how other protobuf libraries write bytes as JSON. */
function readId(value: unknown, bytes: number): string {
  const text = textOf(value);
  if (text === "" || /^[0-9a-fA-F]*$/.test(text)) return text.toLowerCase();
  const decoded = Buffer.from(text, "base64");
  return decoded.length === bytes ? decoded.toString("hex") : text;
}

function readEnum(value: unknown, names: readonly string[], prefix: string): number {
  if (typeof value === "number") return value;
  return typeof value === "string" ? Math.max(0, names.indexOf(value.replace(prefix, ""))) : 0;
}

function readNanos(value: unknown): bigint {
  if (typeof value === "number" && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  if (value === undefined || value === null || value === "") return 0n;
  throw new OtlpError(`Expected nanoseconds but found ${JSON.stringify(value).slice(0, 40)}`);
}

function readAttributes(json: Json): Attributes {
  const attributes: Attributes = new Map();
  for (const item of listOf(json, "attributes"))
    attributes.set(textOf(item.key), readJsonValue(item.value, 0));
  return attributes;
}

function readJsonValue(value: unknown, depth: number): Value {
  if (!isRecord(value) || depth > MAX_DEPTH) return "";
  if (isRecord(value.arrayValue))
    return listOf(value.arrayValue, "values").map((item) => readJsonValue(item, depth + 1));
  if (isRecord(value.kvlistValue)) {
    const entries = listOf(value.kvlistValue, "values");
    return Object.fromEntries(
      entries.map((item) => [textOf(item.key), readJsonValue(item.value, depth + 1)] as const),
    );
  }
  const plain =
    value.stringValue ?? value.intValue ?? value.doubleValue ?? value.boolValue ?? value.bytesValue;
  return typeof plain === "string" || typeof plain === "number" || typeof plain === "boolean" ? plain : "";
}

function newSpan(): OtlpSpan {
  return {
    traceId: "",
    spanId: "",
    parentSpanId: "",
    name: "",
    kind: 0,
    start: 0n,
    end: 0n,
    attributes: new Map(),
    events: [],
    statusCode: 0,
    statusMessage: "",
  };
}

function listOf(json: Json, key: string): readonly Json[] {
  const value = json[key];
  if (value === undefined || value === null) return [];
  if (!Array.isArray(value) || !value.every(isRecord))
    throw new OtlpError(`Expected ${key} to be a list of objects`);
  return value;
}

function recordOf(json: Json, key: string): Json {
  const value = json[key];
  if (value === undefined || value === null) return {};
  if (!isRecord(value)) throw new OtlpError(`Expected ${key} to be an object`);
  return value;
}

function textOf(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "string") throw new OtlpError(`Expected a string but found ${typeof value}`);
  return value;
}
