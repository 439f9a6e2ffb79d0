// OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
import { parseExactly } from "../lib/exact-json.ts";
import { isRecord } from "../lib/record.ts";
import {
  checkPiece,
  findLargeValues,
  findMembers,
  type LargeValues,
  type Place,
  type Slice,
  sliceJsonList,
  textAt,
} from "./json-slices.ts";
import { BATCH_BYTES, type OtlpBatch, OtlpBatches } from "./otlp-batches.ts";
import {
  type Attributes,
  MAX_DEPTH,
  newSpan,
  OtlpError,
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
  TRACE_STATE,
} from "./otlp-tags.ts";
import { type Surroundings, surroundResource, surroundScope } from "./otlp-to-zipkin.ts";

/** Names of the same field; the last two are from OTLP before 0.15 and 0.19. Collectors of that time wrote files with them. */
const SCOPE_LISTS = ["scopeSpans", "instrumentationLibrarySpans", "ilSpans"];
const SCOPES = ["scope", "instrumentationLibrary"];

const KIND_NAMES = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_NAMES = ["UNSET", "OK", "ERROR"];

type Json = Readonly<Record<string, unknown>>;

/** Decodes the spans of a request in batches, which may be empty. @throws {OtlpError} if the body is malformed */
export function* decodeOtlpJson(body: Uint8Array): Generator<OtlpBatch> {
  const batches = new OtlpBatches();
  try {
    if (body.length <= BATCH_BYTES) yield* readRequest(parse(utf8.decode(body)), batches);
    else yield* decodeLarge(body, batches);
  } catch (error) {
    throw error instanceof SyntaxError ? new OtlpError(error.message, { cause: error }) : error;
  }
  yield batches.take();
}

const utf8 = new TextDecoder();

function* readRequest(request: Json, batches: OtlpBatches): Generator<OtlpBatch> {
  for (const resourceSpans of listOf(request, "resourceSpans")) {
    batches.pass();
    if (batches.isFull) yield batches.take();
    yield* readScopes(
      resourceSpans,
      surroundResource(readAttributes(recordOf(resourceSpans, "resource"))),
      batches,
    );
  }
}

function* readScopes(json: Json, resource: Surroundings, batches: OtlpBatches): Generator<OtlpBatch> {
  for (const scopeSpans of listOf(json, keyOf(json, SCOPE_LISTS)))
    yield* readSpans(scopeSpans, readScope(scopeSpans, resource), batches);
}

function* readSpans(json: Json, around: Surroundings, batches: OtlpBatches): Generator<OtlpBatch> {
  batches.pass(around.tags.size);
  if (batches.isFull) yield batches.take();
  for (const span of listOf(json, "spans")) {
    batches.add(readJsonSpan(span), around, 0);
    if (batches.isFull) yield batches.take();
  }
}

function readScope(scopeSpans: Json, resource: Surroundings): Surroundings {
  const scope = recordOf(scopeSpans, keyOf(scopeSpans, SCOPES));
  return surroundScope(resource, textOf(scope.name), textOf(scope.version), readAttributes(scope));
}

/** Parses small groups of spans several at a time. Large groups are opened, and their spans parsed several at a time. */
function* decodeLarge(body: Uint8Array, batches: OtlpBatches): Generator<OtlpBatch> {
  const walk = findLargeValues(body);
  let piece = walk.next();
  for (; piece.done !== true; piece = walk.next()) yield batches.take();
  const known = piece.value;
  for (const slice of openMember(body, { start: 0, end: body.length }, ["resourceSpans"], known).items) {
    if (!isLarge(slice)) {
      yield* readRequest(parseItems(body, slice, "resourceSpans"), batches);
      continue;
    }
    const { rest, items } = openMember(body, slice, SCOPE_LISTS, known);
    const resource = surroundResource(readAttributes(recordOf(rest, "resource")));
    for (const scopes of items) {
      if (isLarge(scopes)) yield* decodeScope(body, scopes, resource, known, batches);
      else yield* readScopes(parseItems(body, scopes, "scopeSpans"), resource, batches);
    }
  }
}

function* decodeScope(
  body: Uint8Array,
  place: Place,
  resource: Surroundings,
  known: LargeValues,
  batches: OtlpBatches,
): Generator<OtlpBatch> {
  const { rest, items } = openMember(body, place, ["spans"], known);
  const around = readScope(rest, resource);
  for (const spans of items) {
    yield batches.take();
    yield* readSpans(parseItems(body, spans, "spans"), around, batches);
  }
}

/** Whether a single item fills a whole slice: it is opened if possible, instead of being parsed in one go. */
function isLarge({ start, end, values }: Slice): boolean {
  return values === 1 && end - start >= BATCH_BYTES;
}

function parseItems(body: Uint8Array, slice: Slice, key: string): Json {
  checkPiece(body, slice);
  return parse(`{"${key}":[${textAt(body, slice)}]}`);
}

/** The list in one member of an object, in slices, and the other members of the object. */
function openMember(body: Uint8Array, place: Place, keys: readonly string[], known: LargeValues) {
  const members = findMembers(body, place, known);
  const key = keys.find((name) => members.has(name)) ?? "";
  const list = members.get(key);
  members.delete(key);
  for (const member of members.values()) checkPiece(body, member);
  const texts = [...members].map(([name, value]) => `${JSON.stringify(name)}:${textAt(body, value)}`);
  const rest = parse(`{${texts.join(",")}}`);
  if (list === undefined || textAt(body, list) === "null") return { rest, items: [] };
  if (body[list.start] !== OPEN_LIST) throw new OtlpError(`Expected ${key} to be a list of objects`);
  return { rest, items: sliceJsonList(body, BATCH_BYTES, list, known) };
}

const OPEN_LIST = 0x5b;

/** An unquoted `intValue`. Times have as many digits, but are always present, so they must not match. */
const LARGE_VALUE = /intValue"\s*:\s*-?\d{16}/;

function parse(text: string): Json {
  let value: unknown;
  try {
    value = parseExactly(text, LARGE_VALUE);
  } catch (error) {
    throw new OtlpError((error as Error).message, { cause: error });
  }
  if (!isRecord(value)) throw new OtlpError("Expected an object with resourceSpans");
  return value;
}

function readJsonSpan(json: Json): OtlpSpan {
  const status = recordOf(json, "status");
  const span: OtlpSpan = {
    ...newSpan(),
    traceId: readId(json.traceId, 16),
    spanId: readId(json.spanId, 8),
    parentSpanId: readId(json.parentSpanId, 8),
    name: textOf(json.name),
    kind: readEnum(json.kind, KIND_NAMES, "SPAN_KIND_"),
    start: readNanos(json.startTimeUnixNano),
    end: readNanos(json.endTimeUnixNano),
    attributes: readAttributes(json),
    events: listOf(json, "events").map(readEvent),
    statusCode: readEnum(status.code, STATUS_NAMES, "STATUS_CODE_"),
    statusMessage: textOf(status.message),
  };
  addTag(span, TRACE_STATE, textOf(json.traceState));
  addTag(span, DROPPED_ATTRIBUTES, readCount(json.droppedAttributesCount));
  addTag(span, DROPPED_EVENTS, readCount(json.droppedEventsCount));
  addTag(span, DROPPED_LINKS, readCount(json.droppedLinksCount));
  for (const [index, link] of listOf(json, "links").entries()) {
    addLinkTag(span, index, {
      traceId: readId(link.traceId, 16),
      spanId: readId(link.spanId, 8),
      traceState: textOf(link.traceState),
      attributes: readAttributes(link, 1),
      droppedAttributes: readCount(link.droppedAttributesCount),
    });
  }
  return span;
}

function readEvent(event: Json): OtlpEvent {
  const attributes = readAttributes(event, 1);
  const dropped = readCount(event.droppedAttributesCount);
  if (dropped > 0) attributes.set(DROPPED_ATTRIBUTES, dropped);
  return { time: readNanos(event.timeUnixNano), name: textOf(event.name), attributes };
}

/** A count, also from a string, like other 32-bit numbers; 0 if it is not a number. */
function readCount(value: unknown): number {
  const count = Number(value ?? 0);
  return Number.isSafeInteger(count) && count > 0 ? count : 0;
}

/** Hex digits in any case; also base64, as other protobuf libraries write bytes in JSON. */
function readId(value: unknown, bytes: number): string {
  const text = textOf(value);
  if (text === "" || /^[0-9a-fA-F]*$/.test(text)) return text.toLowerCase();
  const decoded = decodeBase64(text);
  return decoded.length === 2 * bytes ? decoded : text;
}

/** As hex digits; empty if the text is not base64. */
function decodeBase64(text: string): string {
  try {
    const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return Array.from(binary, (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join("");
  } catch {
    return "";
  }
}

function readEnum(value: unknown, names: readonly string[], prefix: string): number {
  if (typeof value === "number") return value;
  if (typeof value !== "string") return 0;
  return /^\d$/.test(value) ? Number(value) : Math.max(0, names.indexOf(value.replace(prefix, "")));
}

function readNanos(value: unknown): bigint {
  if (typeof value === "number" && Number.isFinite(value)) return BigInt(Math.trunc(value));
  if (typeof value === "string" && /^-?\d{1,20}$/.test(value)) return BigInt(value);
  if (value === undefined || value === null || value === "") return 0n;
  throw new OtlpError(`Expected nanoseconds but found ${JSON.stringify(value).slice(0, 40)}`);
}

/** @param depth 0 if each value becomes the text of its own tag, 1 if all become one JSON text */
function readAttributes(json: Json, depth = 0): Attributes {
  const attributes: Attributes = new Map();
  for (const item of listOf(json, "attributes"))
    attributes.set(textOf(item.key), readJsonValue(item.value, depth));
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
    value.stringValue ??
    (depth === 0 ? value.intValue : readInteger(value.intValue)) ??
    value.doubleValue ??
    value.boolValue ??
    value.bytesValue;
  return isPlain(plain) ? plain : "";
}

/** 64-bit integers are strings in protobuf's JSON. */
function readInteger(value: unknown): unknown {
  if (typeof value !== "string") return value;
  const number = Number(value);
  if (Number.isSafeInteger(number) && value !== "") return number;
  return /^-?\d{1,19}$/.test(value) ? BigInt(value) : value;
}

function isPlain(value: unknown): value is string | number | boolean | bigint {
  const type = typeof value;
  return type === "string" || type === "number" || type === "boolean" || type === "bigint";
}

/** The first of these names that the object has. */
function keyOf(json: Json, names: readonly string[]): string {
  return names.find((name) => json[name] !== undefined) ?? "";
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
