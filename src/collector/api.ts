import { errorText } from "../lib/errors.ts";
import { decodeZipkinJson, normalizeTraceId, ZipkinJsonError } from "../trace/zipkin-json.ts";
import { StoreFullError } from "./database.ts";
import { HttpError } from "./http-error.ts";
import type { LiveRecorder } from "./live-recorder.ts";
import { respondLive } from "./live-stream.ts";
import { servePage } from "./page.ts";
import { readBody } from "./request-body.ts";
import { respondError, respondJson } from "./response.ts";
import type { TraceStore } from "./store.ts";
import { parseTraceQuery } from "./trace-query.ts";
import { summarizeTrace } from "./trace-summary.ts";

/** What the API answers from. */
export interface ApiParts {
  readonly store: TraceStore;
  readonly live: LiveRecorder;
}

/**
 * Answers one HTTP request from the store: Zipkin's v2 API, also under `/zipkin`, and the web page.
 * A method that a path does not have is 404, and so is a trailing slash, as in Zipkin.
 */
export async function answer(request: Request, parts: ApiParts): Promise<Response> {
  let response: Response;
  try {
    response = await route(request, new URL(request.url), parts);
  } catch (error) {
    response = respondError(statusOf(error), errorText(error));
    if (error instanceof StoreFullError) response.headers.set("Retry-After", RETRY_AFTER_SECONDS);
  }
  if (request.headers.has("origin")) response.headers.set("Access-Control-Allow-Origin", "*");
  return response;
}

/** Somebody has to make room on the disk first. */
const RETRY_AFTER_SECONDS = "5";

function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof StoreFullError) return 503;
  return error instanceof ZipkinJsonError ? 400 : 500;
}

const TRACE_PATH = "/api/v2/trace/";

async function route(request: Request, url: URL, parts: ApiParts): Promise<Response> {
  const { store } = parts;
  const path = url.pathname.startsWith("/zipkin/api/v2/")
    ? url.pathname.slice("/zipkin".length)
    : url.pathname;
  if (isPreflight(request)) return preflightResponse();
  if (request.method === "GET" && path.startsWith(TRACE_PATH)) {
    return respondJson(request, findTrace(store, path.slice(TRACE_PATH.length)));
  }
  switch (`${request.method} ${path}`) {
    case "POST /api/v2/spans":
      return addSpans(request, parts);
    case "GET /api/v2/spans":
      return respondJson(request, store.spanNames(requiredServiceName(url)));
    case "GET /api/v2/services":
      return respondJson(request, store.services());
    case "GET /api/v2/traces":
      return respondJson(request, store.traces(parseTraceQuery(url.searchParams)));
    case "GET /health":
      return respondJson(request, { status: "UP", store: store.counts() });
    case "GET /api/live":
      return respondLive(parts.live);
    case "GET /page/traces":
      return respondJson(request, listForPage(store, url));
    default: {
      const page = request.method === "GET" ? await servePage(request, path) : undefined;
      if (page === undefined) throw new HttpError(404, `Not found: ${request.method} ${path}`);
      return page;
    }
  }
}

async function addSpans(request: Request, { store, live }: ApiParts): Promise<Response> {
  const contentType = request.headers.get("content-type") ?? "";
  if (/protobuf/i.test(contentType)) {
    throw new HttpError(415, `Expected spans as application/json but found ${contentType}`);
  }
  const spans = decodeZipkinJson(await readBody(request));
  await store.addSoon(spans);
  live.record(spans);
  return new Response(null, { status: 202 });
}

function findTrace(store: TraceStore, segment: string) {
  if (segment === "" || segment.includes("/")) throw new HttpError(404, "Not found");
  const traceId = normalizeTraceId(decodeSegment(segment).trim());
  const spans = store.trace(traceId);
  if (spans === undefined) throw new HttpError(404, `${traceId} not found`);
  return spans;
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new HttpError(400, `Expected a trace id but found ${segment}`);
  }
}

function requiredServiceName(url: URL): string {
  const serviceName = url.searchParams.get("serviceName");
  if (serviceName === null) throw new HttpError(400, "serviceName is missing");
  return serviceName.toLowerCase();
}

/** For our own page only, which lists traces of thousands of spans every few seconds. Not part of any contract. */
function listForPage(store: TraceStore, url: URL) {
  const traces = store.traces(parseTraceQuery(url.searchParams)).map(summarizeTrace);
  return { traces, services: store.services(), counts: store.counts() };
}

function isPreflight({ method, headers }: Request): boolean {
  return method === "OPTIONS" && headers.has("origin") && headers.has("access-control-request-method");
}

function preflightResponse(): Response {
  return new Response(null, {
    headers: {
      "Access-Control-Allow-Methods": "GET,POST",
      "Access-Control-Allow-Headers": "content-type",
      "Access-Control-Max-Age": "0",
    },
  });
}
