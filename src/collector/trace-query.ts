import { HttpError } from "./http-error.ts";
import type { TraceQuery } from "./store.ts";

const DEFAULT_LIMIT = 10;
const DEFAULT_LOOKBACK_MS = 24 * 60 * 60 * 1000;

/** Filters of Zipkin's that are not there yet. Ignoring one would answer with traces that were not asked for. */
const UNSUPPORTED = ["remoteServiceName", "annotationQuery", "minDuration", "maxDuration"];

/**
 * The query of `GET /api/v2/traces`, with Zipkin's defaults.
 * @throws {HttpError} 400 that names the parameter.
 */
export function parseTraceQuery(parameters: URLSearchParams): TraceQuery {
  for (const name of UNSUPPORTED) {
    if (parameters.get(name)) throw new HttpError(400, `${name} is not supported`);
  }
  const serviceName = parameters.get("serviceName")?.toLowerCase();
  const spanName = parameters.get("spanName")?.toLowerCase();
  return {
    ...(serviceName && { serviceName }),
    ...(spanName && spanName !== "all" && { spanName }),
    limit: readPositive("limit", parameters.get("limit") ?? DEFAULT_LIMIT),
    endTs: readPositive("endTs", parameters.get("endTs") || Date.now()),
    lookback: readPositive("lookback", parameters.get("lookback") || DEFAULT_LOOKBACK_MS),
  };
}

function readPositive(name: string, text: string | number): number {
  const value = /^-?\d+$/.test(String(text)) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new HttpError(400, `${name}: expected a whole number but found ${JSON.stringify(text)}`);
  }
  if (value <= 0) throw new HttpError(400, `${name} <= 0`);
  return value;
}
