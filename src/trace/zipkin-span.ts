import { readIpAddress } from "./ip-address.ts";
import type { Annotation, Endpoint, Span, SpanKind } from "./span.ts";
import {
  isAbsent,
  Misfit,
  misfit,
  readFlag,
  readObject,
  readText,
  readWholeNumber,
  ZipkinError,
} from "./zipkin-fields.ts";

const ZERO_ID = "0".repeat(16);

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** A misfit, with the index of its span. */
export class PlacedMisfit extends ZipkinError {}

/**
 * Normalizes one span of Zipkin v2 JSON.
 * @throws {ZipkinError} that says what is wrong and where
 */
export function normalizeSpan(value: unknown, index: number): Span {
  try {
    return readSpan(value);
  } catch (error) {
    throw placeMisfit(error, index);
  }
}

/** Adds the index of its span to a misfit; returns other errors unchanged. */
export function placeMisfit(error: unknown, index: number): unknown {
  if (!(error instanceof Misfit)) return error;
  return new PlacedMisfit(`${error.message} at $[${index}]${error.path}`);
}

/**
 * Pads a trace id to 16 or 32 digits; shortens 32 digits to 16 if the first 16 are zero.
 * @throws {ZipkinError} if it is not 1 to 32 lower-case hex digits, or is all zeros
 */
export function normalizeTraceId(id: string): string {
  checkId(id, "traceId", 32);
  if (id.length === 16 || (id.length === 32 && !id.startsWith(ZERO_ID))) return id;
  if (id.length <= 16) return id.padStart(16, "0");
  const padded = id.padStart(32, "0");
  return padded.startsWith(ZERO_ID) ? padded.slice(16) : padded;
}

function readSpan(value: unknown): Span {
  const json = readObject(value, "");
  if ("binaryAnnotations" in json) throw jsonV1();
  if (isAbsent(json.traceId) || isAbsent(json.id)) {
    const missing = ["traceId", "id"].filter((key) => isAbsent(json[key]));
    throw new Misfit(`Missing ${missing.join(" and ")}`, "");
  }

  const id = readSpanId(json.id, "id");
  if (id === ZERO_ID) throw new Misfit("id is all zeros", ".id");
  const span: Mutable<Span> = { traceId: readTraceId(json.traceId), id };

  const parentId = isAbsent(json.parentId) ? undefined : readSpanId(json.parentId, "parentId");
  if (parentId !== undefined && parentId !== id && parentId !== ZERO_ID) span.parentId = parentId;
  if (!isAbsent(json.kind)) span.kind = readKind(json.kind);
  const name = readText(json.name, ".name")?.toLowerCase();
  if (name) span.name = name;
  const timestamp = readWholeNumber(json.timestamp, ".timestamp");
  if (timestamp !== undefined && timestamp > 0) span.timestamp = timestamp;
  const duration = readWholeNumber(json.duration, ".duration");
  if (duration !== undefined && duration > 0) span.duration = duration;
  const localEndpoint = readEndpoint(json.localEndpoint, ".localEndpoint");
  if (localEndpoint !== undefined) span.localEndpoint = localEndpoint;
  const remoteEndpoint = readEndpoint(json.remoteEndpoint, ".remoteEndpoint");
  if (remoteEndpoint !== undefined) span.remoteEndpoint = remoteEndpoint;
  const annotations = readAnnotations(json.annotations);
  if (annotations !== undefined) span.annotations = annotations;
  const tags = readTags(json.tags);
  if (tags !== undefined) span.tags = tags;
  if (readFlag(json.debug, ".debug")) span.debug = true;
  // Zipkin ignores the flag if a client sets it by mistake.
  if (readFlag(json.shared, ".shared") && span.kind !== "CLIENT") span.shared = true;
  return span;
}

function readTraceId(value: unknown): string {
  const id = readText(value, ".traceId") ?? "";
  return rethrowAsMisfit(normalizeTraceId, id, ".traceId");
}

function readSpanId(value: unknown, key: "id" | "parentId"): string {
  const id = readText(value, `.${key}`) ?? "";
  if (id.length === 16 && isLowerHex(id)) return id;
  rethrowAsMisfit(() => checkId(id, key, 16), id, `.${key}`);
  return id.padStart(16, "0");
}

function checkId(id: string, name: "traceId" | "id" | "parentId", maxLength: number): void {
  if (id === "") throw new ZipkinError(`${name} is empty`);
  if (id.length > maxLength) throw new ZipkinError(`${name}.length > ${maxLength}`);
  if (!isLowerHex(id)) throw new ZipkinError(`${id} should be lower-hex encoded with no prefix`);
  if (name === "traceId" && id[0] === "0" && /^0+$/.test(id)) throw new ZipkinError("traceId is all zeros");
}

/** Takes a third of the time of a regular expression. */
function isLowerHex(id: string): boolean {
  for (let index = 0; index < id.length; index++) {
    const code = id.charCodeAt(index);
    if (code < 0x30 || code > 0x66 || (code > 0x39 && code < 0x61)) return false;
  }
  return true;
}

const KINDS: ReadonlySet<unknown> = new Set([
  "CLIENT",
  "SERVER",
  "PRODUCER",
  "CONSUMER",
] satisfies SpanKind[]);

function readKind(value: unknown): SpanKind {
  if (!KINDS.has(value)) throw misfit(`one of ${[...KINDS].join(", ")}`, value, ".kind");
  return value as SpanKind;
}

function readEndpoint(value: unknown, path: string): Endpoint | undefined {
  if (isAbsent(value)) return undefined;
  const json = readObject(value, path);
  const endpoint: Mutable<Endpoint> = {};
  const serviceName = readText(json.serviceName, path, "serviceName")?.toLowerCase();
  if (serviceName) endpoint.serviceName = serviceName;
  placeAddress(endpoint, readText(json.ipv4, path, "ipv4"));
  placeAddress(endpoint, readText(json.ipv6, path, "ipv6"));
  const port = readWholeNumber(json.port, path, "port");
  if (port !== undefined && port > 65_535) throw new Misfit(`invalid port ${port}`, `${path}.port`);
  if (port !== undefined && port > 0) endpoint.port = port;
  for (const _ in endpoint) return endpoint;
  return undefined;
}

/** Puts an address into the field of its family, whichever field it came in; drops text that is not an address. */
export function placeAddress(endpoint: Mutable<Endpoint>, text: string | undefined): void {
  if (text === undefined) return;
  const address = readIpAddress(text);
  if (address !== undefined) endpoint[address.family] = address.text;
}

function readAnnotations(value: unknown): Annotation[] | undefined {
  if (isAbsent(value)) return undefined;
  if (!Array.isArray(value)) throw misfit("a list", value, ".annotations");
  const annotations = value.map((item, index): Annotation => {
    const path = `.annotations[${index}]`;
    const json = readObject(item, path);
    if ("endpoint" in json) throw jsonV1();
    const timestamp = readWholeNumber(json.timestamp, `${path}.timestamp`);
    const text = readText(json.value, `${path}.value`);
    if (timestamp === undefined || text === undefined) throw new Misfit("Incomplete annotation", path);
    return { timestamp, value: text };
  });
  if (annotations.length === 0) return undefined;
  annotations.sort((a, b) => a.timestamp - b.timestamp || compareText(a.value, b.value));
  return annotations.filter(({ timestamp, value }, index) => {
    const previous = annotations[index - 1];
    return previous?.timestamp !== timestamp || previous.value !== value;
  });
}

function readTags(value: unknown): Readonly<Record<string, string>> | undefined {
  if (isAbsent(value)) return undefined;
  const tags = readObject(value, ".tags");
  let hasTag = false;
  for (const key in tags) {
    hasTag = true;
    const item = tags[key];
    if (typeof item === "string") continue;
    if (readText(item, ".tags", key) === undefined) throw misfit("a string", item, `.tags.${key}`);
  }
  // The object itself: nobody else has it, and copying all tags is a tenth of the work of ingesting a span.
  return hasTag ? (tags as Readonly<Record<string, string>>) : undefined;
}

function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function rethrowAsMisfit<T>(read: (text: string) => T, text: string, path: string): T {
  try {
    return read(text);
  } catch (error) {
    if (error instanceof ZipkinError) throw new Misfit(error.message, path);
    throw error;
  }
}

function jsonV1(): ZipkinError {
  return new ZipkinError("Expected a JSON_V2 encoded list, but received: JSON_V1");
}
