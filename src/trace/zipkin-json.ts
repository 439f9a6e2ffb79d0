// https://zipkin.io/zipkin-api/#/default/post_spans
import { sliceJsonList } from "./json-slices.ts";
import type { Span } from "./span.ts";
import { NUMBER_FOR_TEXT, ZipkinError } from "./zipkin-fields.ts";
import { readAlike } from "./zipkin-json-patterns.ts";
import { normalizeSpan, PlacedMisfit } from "./zipkin-span.ts";

/**
 * The spans of one Zipkin v2 JSON batch, normalised: ids padded, names in lower case, annotations sorted, absent instead
 * of null, zero or false. So equal spans have equal JSON but for the order of their tags.
 * Text that is empty is a batch without spans. Bytes that are not UTF-8 become U+FFFD, as in Zipkin.
 * @param firstIndex the number of the first span, where the batch is a part of a larger one
 * @throws {ZipkinError} for the whole batch when one span is wrong.
 */
export function decodeZipkinJson(body: Uint8Array | string, firstIndex = 0): Span[] {
  const text = typeof body === "string" ? body : utf8.decode(body);
  if (text === "") return [];
  if (text[0] !== "[") throw new ZipkinError("Expected a JSON_V2 encoded list");
  try {
    return readSpans(parseJson(text), firstIndex);
  } catch (error) {
    if (error !== NUMBER_FOR_TEXT) throw error;
    return readSpans(parseJson(text, numberAsText), firstIndex);
  }
}

/** A batch below this is parsed in one go. */
const SLICE_BYTES = 128 * 1024;

/**
 * As `decodeZipkinJson`, in pieces of a few milliseconds.
 * @throws {ZipkinError} for the whole batch when one span is wrong.
 */
export function* decodeZipkinSlices(body: Uint8Array): Generator<Span[]> {
  const buffer = Buffer.from(body.buffer, body.byteOffset, body.length);
  if (body.length <= SLICE_BYTES || body[0] !== OPENING_BRACKET) {
    const isList = body[0] === OPENING_BRACKET && body.at(-1) === CLOSING_BRACKET;
    yield (isList ? readAlike(buffer, 1, body.length - 1, decodeOne) : undefined) ?? decodeZipkinJson(body);
    return;
  }
  let index = 0;
  try {
    for (const { start, end, values } of sliceJsonList(body, SLICE_BYTES)) {
      yield readAlike(buffer, start, end, decodeOne) ??
        decodeZipkinJson(`[${buffer.toString("utf8", start, end)}]`, index);
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
    return JSON.parse(text, reviver);
  } catch (error) {
    // A RangeError when a reviver meets some thousand levels of nesting.
    throw new ZipkinError(`${(error as Error).message}${READING}`, { cause: error });
  }
}

function readSpans(list: unknown, firstIndex: number): Span[] {
  // Cannot be anything else: the text starts with `[`.
  return (list as unknown[]).map((value, index) => {
    try {
      return normalizeSpan(value, firstIndex + index);
    } catch (error) {
      if (error instanceof PlacedMisfit) throw new ZipkinError(`${error.message}${READING}`);
      throw error;
    }
  });
}
