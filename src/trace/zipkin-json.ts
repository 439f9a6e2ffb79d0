// https://zipkin.io/zipkin-api/#/default/post_spans
import { isRecord } from "../lib/record.ts";
import { parseWellFormed } from "../lib/well-formed-json.ts";
import { checkPiece, sliceJsonList } from "./json-slices.ts";
import { escapeStrings } from "./lenient-json.ts";
import type { Span } from "./span.ts";
import { NUMBER_FOR_TEXT, ZipkinError } from "./zipkin-fields.ts";
import { readAlike } from "./zipkin-json-patterns.ts";
import { normalizeSpan, PlacedMisfit } from "./zipkin-span.ts";
import { convertZipkinV1 } from "./zipkin-v1.ts";

/**
 * Decodes and normalizes the spans of one Zipkin v2 JSON batch: ids are padded, names lower-cased, annotations sorted, and
 * null, zero and false become absent. Equal spans then have equal JSON, except for the order of their tags.
 * An empty text is a batch without spans. Invalid UTF-8 and lone surrogates become U+FFFD, as in Zipkin.
 * @param firstIndex the number of the first span, if the batch is part of a larger one
 * @throws {ZipkinError} for the whole batch if one span is malformed
 */
export function decodeZipkinJson(body: Uint8Array | string, firstIndex = 0): Span[] {
  return decodeList(typeof body === "string" ? body : utf8.decode(body), firstIndex, V2);
}

/** The Zipkin version of a list's spans. */
interface Version {
  readonly name: "JSON_V1" | "JSON_V2";
  readonly read: (list: readonly unknown[], firstIndex: number) => Span[];
}

const V2: Version = {
  name: "JSON_V2",
  read: (list, firstIndex) => list.map((value, index) => normalizeSpan(value, firstIndex + index)),
};
const V1: Version = {
  name: "JSON_V1",
  read: (list, firstIndex) =>
    list.flatMap((value, index) => {
      if (isZipkinV2(value)) throw new ZipkinError("Expected a JSON_V1 encoded list, but received: JSON_V2");
      return convertZipkinV1(value, firstIndex + index);
    }),
};

/** Whether an object has a field that only v2 spans have. */
function isZipkinV2(value: unknown): boolean {
  return isRecord(value) && ("tags" in value || "localEndpoint" in value || "remoteEndpoint" in value);
}

function decodeList(text: string, firstIndex: number, version: Version): Span[] {
  if (text === "") return [];
  if (text[0] !== "[") throw new ZipkinError(`Expected a ${version.name} encoded list`);
  try {
    return readSpans(parseJson(text), firstIndex, version);
  } catch (error) {
    if (error !== NUMBER_FOR_TEXT) throw error;
    return readSpans(parseJson(text, numberAsText), firstIndex, version);
  }
}

/** A smaller batch is parsed in one go. */
const SLICE_BYTES = 128 * 1024;

/**
 * Like `decodeZipkinJson`, in pieces that take a few milliseconds each and may be empty.
 * @throws {ZipkinError} for the whole batch if one span is malformed
 */
export function decodeZipkinSlices(body: Uint8Array): Generator<Span[]> {
  const readAlikes = (bytes: Buffer, start: number, end: number) => readAlike(bytes, start, end, decodeOne);
  return decodeSlices(body, V2, readAlikes);
}

/** The same for Zipkin v1 JSON. A span that client and server share becomes two spans of v2. */
export function decodeZipkinV1Slices(body: Uint8Array): Generator<Span[]> {
  return decodeSlices(body, V1, () => undefined);
}

function* decodeSlices(
  body: Uint8Array,
  version: Version,
  readQuickly: (bytes: Buffer, start: number, end: number) => Span[] | undefined,
): Generator<Span[]> {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (body.length <= SLICE_BYTES || body[0] !== OPENING_BRACKET) {
    const isList = body[0] === OPENING_BRACKET && body.at(-1) === CLOSING_BRACKET;
    const spans = isList ? readQuickly(buffer, 1, body.length - 1) : undefined;
    yield spans ?? decodeList(utf8.decode(body), 0, version);
    return;
  }
  let index = 0;
  try {
    for (const slice of sliceJsonList(body, SLICE_BYTES)) {
      const { start, end, values } = slice;
      checkPiece(body, slice);
      // Finding the end of one giant span takes as long as reading it, so pause in between.
      if (end - start > 2 * SLICE_BYTES) yield [];
      yield readQuickly(buffer, start, end) ??
        decodeList(`[${buffer.toString("utf8", start, end)}]`, index, version);
      index += values;
    }
  } catch (error) {
    throw error instanceof SyntaxError ? new ZipkinError(`${error.message}${READING}`) : error;
  }
}

function decodeOne(text: string): Span | undefined {
  return decodeZipkinJson(`[${text}]`)[0];
}

const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
const READING = " reading List<Span> from json";

type Reviver = (key: string, value: unknown) => unknown;

// The third argument is ES2026 and not yet in TypeScript's library.
const numberAsText = ((_key: string, value: unknown, context: { readonly source?: string }) =>
  typeof value === "number" ? context.source : value) as Reviver;

function parseJson(text: string, reviver?: Reviver): unknown {
  try {
    return parseWellFormed(text, reviver);
  } catch (error) {
    const escaped = error instanceof SyntaxError ? escapeStrings(text) : text;
    if (escaped !== text) return parseJson(escaped, reviver);
    // A reviver throws RangeError at some thousand levels of nesting.
    throw new ZipkinError(`${(error as Error).message}${READING}`, { cause: error });
  }
}

function readSpans(list: unknown, firstIndex: number, version: Version): Span[] {
  try {
    // It must be a list, because the text starts with `[`.
    return version.read(list as unknown[], firstIndex);
  } catch (error) {
    if (error instanceof PlacedMisfit) throw new ZipkinError(`${error.message}${READING}`);
    throw error;
  }
}

/** `JSON.stringify` writes the double nearest to 2^63 - 1 like this, which no reader of 64-bit integers accepts. */
const BEYOND_LONG = /"(timestamp|duration)":9223372036854776000\b/g;

/** Writes spans, or lists of them, as Zipkin v2 JSON. */
export function stringifySpans(spans: readonly Span[] | readonly (readonly Span[])[]): string {
  const text = JSON.stringify(spans);
  return text.includes("9223372036854776000") ? text.replace(BEYOND_LONG, '"$1":9223372036854775807') : text;
}
