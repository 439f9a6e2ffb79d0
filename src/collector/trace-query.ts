import { HttpError } from "./http-error.ts";
import type { TraceQuery } from "./store.ts";

const DEFAULT_LIMIT = 10;

/** Zipkin's `QUERY_LOOKBACK`: a day. */
export const DEFAULT_LOOKBACK_MS = 24 * 60 * 60 * 1000;

/**
 * The query of `GET /api/v2/traces`, with Zipkin's defaults.
 * @throws {HttpError} 400 that names the parameter.
 */
export function parseTraceQuery(parameters: URLSearchParams, lookbackMs = DEFAULT_LOOKBACK_MS): TraceQuery {
  const lower = (name: string) => parameters.get(name)?.toLowerCase();
  const serviceName = lower("serviceName");
  const remoteServiceName = lower("remoteServiceName");
  const spanName = lower("spanName");
  const annotationQuery = parseAnnotationQuery(parameters.get("annotationQuery") ?? "");
  return {
    ...(serviceName && { serviceName }),
    ...(remoteServiceName && { remoteServiceName }),
    ...(spanName && spanName !== "all" && { spanName }),
    ...(annotationQuery.size > 0 && { annotationQuery }),
    ...readDurations(parameters),
    limit: readPositive("limit", parameters.get("limit") ?? String(DEFAULT_LIMIT)),
    ...parseWindow(parameters, lookbackMs),
  };
}

/** `endTs` and `lookback`, milliseconds. */
export function parseWindow(parameters: URLSearchParams, lookbackMs: number) {
  return {
    endTs: readPositive("endTs", parameters.get("endTs") || String(Date.now())),
    lookback: readPositive("lookback", parameters.get("lookback") || String(lookbackMs)),
  };
}

/** With the end of a period that the page left open, which is now by the server's clock. */
export function untilNow(url: URL): URL {
  const dated = new URL(url);
  if (!dated.searchParams.has("endTs")) dated.searchParams.set("endTs", String(Date.now()));
  return dated;
}

/** A whole number in a range. @throws {HttpError} 400 */
export function readWholeNumber(name: string, text: string, min: number, max: number): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= min && value <= max) return value;
  throw new HttpError(
    400,
    `${name}: expected a whole number from ${min} to ${max} but found ${JSON.stringify(text)}`,
  );
}

/** `error and http.method = GET`: keys, or keys with values. A key alone does not replace the same key with a value. */
function parseAnnotationQuery(text: string): Map<string, string> {
  const wanted = new Map<string, string>();
  if (text.trim() === "") return wanted;
  for (const part of text.split(" and ")) {
    const [before = "", ...after] = part.split("=");
    // An empty key matches nothing, as in Zipkin. Ignoring it would return traces that do not match.
    const key = before.trim();
    const value = after.join("=").trim();
    if (after.length > 0 || !wanted.has(key)) wanted.set(key, value);
  }
  return wanted;
}

function readDurations(parameters: URLSearchParams): Pick<TraceQuery, "minDuration" | "maxDuration"> {
  const minText = parameters.get("minDuration");
  const maxText = parameters.get("maxDuration");
  const minDuration = minText ? readPositive("minDuration", minText) : undefined;
  const maxDuration = maxText ? readWhole("maxDuration", maxText) : undefined;
  if (maxDuration === undefined) return minDuration === undefined ? {} : { minDuration };
  if (minDuration === undefined) throw new HttpError(400, "maxDuration is only valid with minDuration");
  if (maxDuration < minDuration) throw new HttpError(400, "maxDuration < minDuration");
  return { minDuration, maxDuration };
}

function readPositive(name: string, text: string): number {
  const value = readWhole(name, text);
  if (value <= 0) throw new HttpError(400, `${name} <= 0`);
  return value;
}

function readWhole(name: string, text: string): number {
  const value = /^-?\d+$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isSafeInteger(value)) return value;
  throw new HttpError(400, `${name}: expected a whole number but found ${JSON.stringify(text)}`);
}
