import type { HeaderReader } from "./context.ts";

/**
 * A request header that links pass on. Each link that receives it records the incoming context headers in its SERVER
 * span, because spans alone do not show them. Costs nothing when it is not sent.
 */
export const CAPTURE_HEADER = "chain-link-capture";

/** The headers that are recorded. The first one shows that the link captures at all. */
const CAPTURED_HEADERS = [
  CAPTURE_HEADER,
  "traceparent",
  "tracestate",
  "b3",
  "x-b3-traceid",
  "baggage",
  "x-request-id",
] as const;

export type CapturedHeader = (typeof CAPTURED_HEADERS)[number];

/** OpenTelemetry's name for a captured header: https://opentelemetry.io/docs/specs/semconv/registry/attributes/http/ */
function captureTag(header: CapturedHeader): string {
  return `http.request.header.${header}`;
}

const CAPTURES = captureTag(CAPTURE_HEADER);

/** Tags for the captured headers that came in. */
export function captureTags(header: HeaderReader): Record<string, string> {
  const tags: Record<string, string> = {};
  for (const name of CAPTURED_HEADERS) {
    const value = header(name);
    if (value !== null) tags[captureTag(name)] = value;
  }
  return tags;
}

/** The headers captured in a span's tags; `null` if its link does not capture. */
export function readCaptured(
  tagOf: (key: string) => string | undefined,
): ReadonlyMap<CapturedHeader, string> | null {
  if (tagOf(CAPTURES) === undefined) return null;
  const headers = new Map<CapturedHeader, string>();
  for (const name of CAPTURED_HEADERS) {
    const value = tagOf(captureTag(name));
    if (value !== undefined) headers.set(name, value);
  }
  return headers;
}
