import type { DependencyLink } from "../contract/dependency-link.ts";
import type { Span } from "../trace/span.ts";
import { stringifySpans } from "../trace/zipkin-json.ts";
import { normalizeTraceId } from "../trace/zipkin-span.ts";
import { DependencyLinks } from "./dependency-links.ts";
import { HttpError } from "./http-error.ts";
import { Pause } from "./pause.ts";
import { respondJson, respondText } from "./response.ts";
import type { TraceStore } from "./store.ts";
import { parseTraceQuery, parseWindow } from "./trace-query.ts";

export interface QueryParts {
  readonly store: TraceStore;
  /** If false, traces are found by id only, as with Zipkin's `SEARCH_ENABLED=false`. */
  readonly isSearchable: boolean;
  /** Time window of a query that specifies none, milliseconds. */
  readonly lookbackMs: number;
  /** Tags whose values are suggested. */
  readonly autocompleteKeys: readonly string[];
}

const TRACE_PATH = "trace/";

/** Answers a query of Zipkin's v2 API; `path` is the part after `/api/v2/`. */
export async function answerQuery(
  request: Request,
  path: string,
  url: URL,
  parts: QueryParts,
): Promise<Response> {
  const { store, isSearchable } = parts;
  if (path.startsWith(TRACE_PATH))
    return respondSpans(request, findTrace(store, path.slice(TRACE_PATH.length)));
  if (path === "traceMany")
    return respondSpans(request, findTraces(store, required(url.searchParams, "traceIds")));
  if (path === "traces") {
    const query = parseTraceQuery(url.searchParams, parts.lookbackMs);
    return respondSpans(request, isSearchable ? store.traces(query) : []);
  }
  return respondJson(request, await findAnswer(path, url.searchParams, parts));
}

async function findAnswer(path: string, parameters: URLSearchParams, parts: QueryParts): Promise<unknown> {
  const { store, isSearchable, autocompleteKeys } = parts;
  switch (path) {
    case "services":
      return isSearchable ? store.services() : [];
    case "spans": {
      const service = required(parameters, "serviceName").toLowerCase();
      return isSearchable ? store.spanNames(service) : [];
    }
    case "remoteServices": {
      const service = required(parameters, "serviceName").toLowerCase();
      return isSearchable ? store.remoteServices(service) : [];
    }
    case "dependencies":
      return linkDependencies(store, parameters, parts.lookbackMs);
    case "autocompleteKeys":
      return autocompleteKeys;
    case "autocompleteValues": {
      const key = required(parameters, "key");
      return isSearchable ? store.tagValues(key) : [];
    }
    default:
      throw new HttpError(404, `Not found: GET /api/v2/${path}`);
  }
}

function respondSpans(request: Request, spans: Span[] | Span[][]): Response {
  return respondText(request, stringifySpans(spans), { "Content-Type": "application/json" });
}

function findTrace(store: TraceStore, segment: string): Span[] {
  if (segment === "" || segment.includes("/")) throw new HttpError(404, "Not found");
  const traceId = normalizeTraceId(decodeSegment(segment).trim());
  const spans = store.trace(traceId);
  if (spans === undefined) throw new HttpError(404, `${traceId} not found`);
  return spans;
}

function findTraces(store: TraceStore, text: string): Span[][] {
  const ids = text.split(",").map((id) => normalizeTraceId(id.trim()));
  if (ids.length < 2) throw new HttpError(400, "Use /api/v2/trace endpoint for a single trace ID");
  const redundant = ids.find((id, index) => ids.indexOf(id) !== index);
  if (redundant !== undefined) throw new HttpError(400, `redundant trace ID: ${redundant}`);
  return ids.flatMap((id) => {
    const spans = store.trace(id);
    return spans === undefined ? [] : [spans];
  });
}

async function linkDependencies(
  store: TraceStore,
  parameters: URLSearchParams,
  lookbackMs: number,
): Promise<DependencyLink[]> {
  required(parameters, "endTs");
  const links = new DependencyLinks();
  const pause = new Pause();
  for (const spans of store.eachTrace(parseWindow(parameters, lookbackMs))) {
    links.addTrace(spans);
    await pause.turn();
  }
  return links.links();
}

function required(parameters: URLSearchParams, name: string): string {
  const value = parameters.get(name);
  if (value === null) throw new HttpError(400, `${name} is missing`);
  if (value === "" && name !== "serviceName") throw new HttpError(400, `${name} is empty`);
  return value;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, `Expected a trace id but found ${segment}`);
  }
}
