// OTLP/JSON: https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
import { isRecord } from "../lib/record.ts";
import {
  findLargeValues,
  findMembers,
  type LargeValues,
  type Place,
  sliceJsonList,
  textAt,
} from "./json-slices.ts";
import { BATCH_BYTES, type OtlpBatch, OtlpBatches } from "./otlp-batches.ts";
import { type Attributes, MAX_DEPTH, newSpan, OtlpError, type OtlpSpan, type Value } from "./otlp-span.ts";
import { surround } from "./otlp-to-zipkin.ts";

/** Names of the same two fields, those of OTLP before 0.15 and 0.19 last. Collectors of that time wrote files with them. */
const SCOPE_LISTS = ["scopeSpans", "instrumentationLibrarySpans", "ilSpans"];
const SCOPES = ["scope", "instrumentationLibrary"];

const KIND_NAMES = ["UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"];
const STATUS_NAMES = ["UNSET", "OK", "ERROR"];

type Json = Readonly<Record<string, unknown>>;

/** The spans of a request, in pieces, some of them empty. @throws {OtlpError} when the body is not JSON, or not of this shape */
export function* decodeOtlpJson(body: Uint8Array): Generator<OtlpBatch> {
  const batches = new OtlpBatches();
  if (body.length <= BATCH_BYTES) {
    for (const [spans, around] of readRequest(parse(utf8.decode(body))))
      for (const span of spans) batches.add(readJsonSpan(span), around, 0);
  } else {
    try {
      yield* decodeLarge(body, batches);
    } catch (error) {
      throw error instanceof SyntaxError ? new OtlpError(error.message, { cause: error }) : error;
    }
  }
  yield batches.take();
}

const utf8 = new TextDecoder();

function* readRequest(request: Json) {
  for (const resourceSpans of listOf(request, "resourceSpans")) {
    const resource = readAttributes(recordOf(resourceSpans, "resource"));
    for (const scopeSpans of listOf(resourceSpans, keyOf(resourceSpans, SCOPE_LISTS))) {
      const scope = recordOf(scopeSpans, keyOf(scopeSpans, SCOPES));
      const around = surround(resource, textOf(scope.name), textOf(scope.version));
      yield [listOf(scopeSpans, "spans"), around] as const;
    }
  }
}

/** What is around the spans is walked through, and the spans are parsed some at a time. */
function* decodeLarge(body: Uint8Array, batches: OtlpBatches): Generator<OtlpBatch> {
  const walk = findLargeValues(body);
  let piece = walk.next();
  for (; piece.done !== true; piece = walk.next()) yield batches.take();
  const known = piece.value;
  const { items: groups } = openMember(body, { start: 0, end: body.length }, ["resourceSpans"], known);
  for (const group of groups) {
    const { rest, items: scopes } = openMember(body, group, SCOPE_LISTS, known);
    const resource = readAttributes(recordOf(rest, "resource"));
    for (const place of scopes) {
      const { rest: around, items: spans } = openMember(body, place, ["spans"], known, BATCH_BYTES);
      const scope = recordOf(around, keyOf(around, SCOPES));
      const surroundings = surround(resource, textOf(scope.name), textOf(scope.version));
      for (const slice of spans) {
        const some = parse(`{"spans":[${textAt(body, slice)}]}`);
        for (const span of listOf(some, "spans")) batches.add(readJsonSpan(span), surroundings, 0);
        yield batches.take();
      }
    }
  }
}

/** The list of one member of an object, in pieces of so many bytes, and all else that the object says. */
function openMember(
  body: Uint8Array,
  place: Place,
  keys: readonly string[],
  known: LargeValues,
  pieceBytes = 0,
) {
  const members = findMembers(body, place, known);
  const key = keys.find((name) => members.has(name)) ?? "";
  const list = members.get(key);
  members.delete(key);
  const texts = [...members].map(([name, value]) => `${JSON.stringify(name)}:${textAt(body, value)}`);
  const rest = parse(`{${texts.join(",")}}`);
  if (list === undefined || textAt(body, list) === "null") return { rest, items: [] };
  if (body[list.start] !== OPEN_LIST) throw new OtlpError(`Expected ${key} to be a list of objects`);
  return { rest, items: sliceJsonList(body, pieceBytes, list, known) };
}

const OPEN_LIST = 0x5b;

function parse(text: string): Json {
  let value: unknown;
  try {
    value = JSON.parse(text);
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
  const decoded = decodeBase64(text);
  return decoded.length === 2 * bytes ? decoded : text;
}

/** As hex digits; empty where it is not base64. */
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

/** The first of these names that a field has. */
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
