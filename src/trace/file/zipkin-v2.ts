// https://zipkin.io/zipkin-api/#/default/post_spans
import type { Span } from "../span.ts";
import { NUMBER_FOR_TEXT, ZipkinError } from "../zipkin-fields.ts";
import { normalizeSpan } from "../zipkin-span.ts";
import type { SpanCollection } from "./span-collection.ts";
import type { JsonObject, TraceFormat } from "./trace-format.ts";

/** Zipkin v2 JSON: answers of Zipkin's API, downloads from its page, and output of `traces export`. */
export const ZIPKIN_V2: TraceFormat = {
  name: "Zipkin v2 JSON",
  matches: (object) => object.has("traceId", "id"),
  read: (object, spans) => addZipkinSpans(object, spans, (value) => [normalizeSpan(value, 0)]),
};

/** A span that lacks an id, and is therefore rejected. */
export const INCOMPLETE_ZIPKIN: TraceFormat = {
  ...ZIPKIN_V2,
  matches: (object) => object.has("traceId") || object.has("id", "localEndpoint"),
};

/** Adds the spans that `convert` makes of an object, or counts the object as rejected. */
export function addZipkinSpans(
  object: JsonObject,
  spans: SpanCollection,
  convert: (value: unknown) => readonly Span[],
): void {
  try {
    for (const span of convertWithText(object, convert)) spans.add(span);
  } catch (error) {
    if (!(error instanceof ZipkinError)) throw error;
    spans.reject(reasonOf(error));
  }
}

function convertWithText(object: JsonObject, convert: (value: unknown) => readonly Span[]): readonly Span[] {
  try {
    return convert(object.value);
  } catch (error) {
    if (error !== NUMBER_FOR_TEXT) throw error;
    return convert(object.textValue);
  }
}

/** Removes the position in a list, for which the message was made. */
function reasonOf({ message }: ZipkinError): string {
  return message
    .replace(/ reading List<Span> from json$/, "")
    .replace(/ at \$\[0\]\.?/, (at) => (at.endsWith(".") ? " at " : ""));
}
