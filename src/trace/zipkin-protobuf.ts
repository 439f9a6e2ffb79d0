// https://github.com/openzipkin/zipkin-api/blob/master/zipkin.proto
import { formatIpAddress } from "./ip-address.ts";
import { BYTES, FIXED64, ProtobufError, ProtobufReader } from "./protobuf-reader.ts";
import type { Span } from "./span.ts";
import { type Hole, type HoleField, type HoleForm, SpanPatterns } from "./span-patterns.ts";
import { ZipkinError } from "./zipkin-fields.ts";
import { normalizeSpan } from "./zipkin-span.ts";

const READING = " reading List<Span> from proto3";
const KINDS = [undefined, "CLIENT", "SERVER", "PRODUCER", "CONSUMER"] as const;
/** Maximum spans in a group, and bytes to decode it from, so that one takes a few milliseconds. */
const GROUP_SPANS = 500;
const GROUP_BYTES = 128 * 1024;
/** Maximum fields in a group, including skipped ones that are not spans. */
const GROUP_FIELDS = 100_000;

const common = new SpanPatterns();

/**
 * Decodes the spans of one Zipkin v2 protobuf batch in groups, normalized as by `decodeZipkinJson`. Skips unknown fields.
 * @param patterns patterns of earlier spans
 * @throws {ZipkinError} for the whole batch if one span is malformed
 */
export function* decodeZipkinProtobuf(body: Uint8Array, patterns = common): Generator<Span[]> {
  let group: Span[] = [];
  let [index, bytes] = [0, 0];
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.length);
  const reader = new ProtobufReader(buffer);
  let areAlike = true;
  for (let fields = 1; guard(() => reader.next(), index); fields++) {
    if (fields % GROUP_FIELDS === 0) yield [];
    if (reader.field !== 1) continue;
    const { start, size } = reader;
    let span = areAlike && reader.type === BYTES ? patterns.read(buffer, start) : undefined;
    if (span === undefined || patterns.end !== start + size) {
      span = guard(() => normalizeSpan(readSpan(reader.piece()), index), index);
      areAlike &&= patterns.isWorthLearning();
      if (areAlike) patterns.learn(buffer, start, start + size, findHoles(reader.message(), start), span);
    }
    group.push(span);
    index++;
    bytes += reader.size;
    if (group.length < GROUP_SPANS && bytes < GROUP_BYTES) continue;
    yield group;
    [group, bytes] = [[], 0];
  }
  yield group;
}

function guard<T>(read: () => T, index: number): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof ProtobufError || error instanceof ZipkinError)
      throw new ZipkinError(`${error.message.replace(/ at \$\[\d+\]/, "")} at $[${index}]${READING}`);
    throw error;
  }
}

const FIELDS: Readonly<Record<number, HoleField>> = {
  1: "traceId",
  2: "parentId",
  3: "id",
  6: "timestamp",
  7: "duration",
};

/** If a field occurs several times, the last one counts. */
function findHoles(message: ProtobufReader, from: number): Hole[] {
  const holes = new Map<HoleField, Hole>();
  while (message.next()) {
    const field = FIELDS[message.field];
    if (field === undefined) continue;
    const start = message.start - from;
    holes.set(field, { field, form: formOf(message), start, end: start + message.size });
  }
  return [...holes.values()];
}

function formOf({ type }: ProtobufReader): HoleForm {
  if (type === BYTES) return "bytes";
  return type === FIXED64 ? "fixed64" : "varint";
}

type Json = Record<string, unknown>;

/** The span as a Zipkin JSON object. */
function readSpan(message: ProtobufReader): Json {
  const span: Json = {};
  const tags: Record<string, string> = {};
  let hasTag = false;
  const annotations: Json[] = [];
  while (message.next()) {
    if (message.field === 1) span.traceId = message.readHex();
    else if (message.field === 2) span.parentId = message.readHex() || undefined;
    else if (message.field === 3) span.id = message.readHex();
    else if (message.field === 4) span.kind = KINDS[message.readNumber()];
    else if (message.field === 5) span.name = message.readText();
    else if (message.field === 6) span.timestamp = message.readNumber();
    else if (message.field === 7) span.duration = message.readNumber();
    else if (message.field === 8) span.localEndpoint = readEndpoint(message.message());
    else if (message.field === 9) span.remoteEndpoint = readEndpoint(message.message());
    else if (message.field === 10) annotations.push(...readAnnotation(message.message()));
    else if (message.field === 11) {
      readEntry(message.message(), tags);
      hasTag = true;
    } else if (message.field === 12) span.debug = message.readNumber() !== 0;
    else if (message.field === 13) span.shared = message.readNumber() !== 0;
  }
  if (hasTag) span.tags = tags;
  if (annotations.length > 0) span.annotations = annotations;
  return span;
}

function readEndpoint(message: ProtobufReader): Json {
  const endpoint: Json = {};
  while (message.next()) {
    if (message.field === 1) endpoint.serviceName = message.readText();
    else if (message.field === 2) endpoint.ipv4 = formatIpAddress(message.readBytes())?.text;
    else if (message.field === 3) endpoint.ipv6 = formatIpAddress(message.readBytes())?.text;
    else if (message.field === 4) endpoint.port = message.readNumber();
  }
  return endpoint;
}

/** Drops annotations without a timestamp or text, as Zipkin does. In JSON, both keep an annotation at 0. */
function readAnnotation(message: ProtobufReader): Json[] {
  let [timestamp, value] = [0, ""];
  while (message.next()) {
    if (message.field === 1) timestamp = message.readNumber();
    else if (message.field === 2) value = message.readText();
  }
  return timestamp === 0 || value === "" ? [] : [{ timestamp, value }];
}

function readEntry(message: ProtobufReader, tags: Record<string, string>): void {
  let [key, value] = ["", ""];
  while (message.next()) {
    if (message.field === 1) key = message.readText();
    else if (message.field === 2) value = message.readText();
  }
  if (key !== "__proto__") tags[key] = value;
  // Assignment to `__proto__` would set the object's prototype.
  else Object.defineProperty(tags, key, { value, enumerable: true, configurable: true, writable: true });
}
