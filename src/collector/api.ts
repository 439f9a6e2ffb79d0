import type { CollectorCounts } from "../contract/collector-counts.ts";
import { collapseSlashes } from "../lib/endpoint.ts";
import { errorText } from "../lib/errors.ts";
import { PROMETHEUS_TYPE } from "../lib/prometheus.ts";
import { OtlpError } from "../trace/otlp-span.ts";
import { ProtobufError } from "../trace/protobuf-reader.ts";
import { ZipkinError } from "../trace/zipkin-fields.ts";
import type { Access } from "./access.ts";
import { formatActuator, formatPrometheus } from "./collector-metrics.ts";
import type { ControlDesk } from "./control-desk.ts";
import { StoreFullError } from "./database.ts";
import { HttpError } from "./http-error.ts";
import { addOtlpSpans, addZipkinSpans, addZipkinV1Spans, type IngestParts } from "./ingest.ts";
import { respondLive } from "./live-stream.ts";
import { respondStatus } from "./otlp-status.ts";
import { servePage } from "./page.ts";
import type { RunProof } from "./proof.ts";
import { answerQuery, type QueryParts } from "./queries.ts";
import { respondError, respondJson, respondText } from "./response.ts";
import { listRuns, readRunLedger } from "./runs.ts";
import { listTraces, parseListingQuery } from "./trace-listing.ts";
import { untilNow } from "./trace-query.ts";

/** Everything that the API reads. */
export interface ApiParts extends IngestParts, QueryParts {
  /** Version of chain-link, for `/info`. */
  readonly version: string;
  /** Start time of this collector, which tells readers that it was restarted. */
  readonly startedAt: Date;
  /** `null` when there is nothing to control. */
  readonly control: ControlDesk | null;
  /** Decides which requests are allowed. */
  readonly access: Access;
}

/**
 * Answers one HTTP request from the store: Zipkin's v2 API, its queries also under `/zipkin`, OTLP, and the web page.
 * A method that a path does not have is 404, and so is a trailing slash, as in Zipkin.
 */
export async function answer(request: Request, parts: ApiParts): Promise<Response> {
  const url = new URL(request.url);
  // Senders append a path to a base URL with a trailing slash. Setting the path parses the URL again.
  const path = collapseSlashes(url.pathname);
  if (path !== url.pathname) url.pathname = path;
  let response: Response;
  try {
    parts.access.check(request);
    response = await route(request, url, parts);
  } catch (error) {
    response = respondFailure(request, path, error);
  }
  parts.access.addHeaders(request, path, response.headers);
  return response;
}

/** Room on the disk has to be freed first. */
const RETRY_AFTER_SECONDS = "5";

function respondFailure(request: Request, path: string, error: unknown): Response {
  const respond = path === OTLP_PATH ? respondStatus.bind(null, request) : respondError;
  const response = respond(statusOf(error), errorText(error));
  if (error instanceof StoreFullError) response.headers.set("Retry-After", RETRY_AFTER_SECONDS);
  return response;
}

function statusOf(error: unknown): number {
  if (error instanceof HttpError) return error.status;
  if (error instanceof StoreFullError) return 503;
  const isMalformed =
    error instanceof ZipkinError || error instanceof OtlpError || error instanceof ProtobufError;
  return isMalformed ? 400 : 500;
}

const OTLP_PATH = "/v1/traces";
const QUERY_PATH = /^(?:\/zipkin)?\/api\/v2\/(.*)$/;
const RUN_PATH = /^\/api\/runs\/([^/]+)\/ledger$/;

async function route(request: Request, url: URL, parts: ApiParts): Promise<Response> {
  const { pathname: path } = url;
  const controlled = await parts.control?.answer(request, path);
  if (controlled !== undefined) return controlled;
  if (isPreflight(request)) return preflightResponse();
  if (request.method === "POST" && parts.control?.isBackendDown)
    throw new HttpError(503, "This collector rejects spans: its ingestion is paused.");
  const [, query] = QUERY_PATH.exec(path) ?? [];
  if (request.method === "GET" && query !== undefined) return answerQuery(request, query, url, parts);
  const [, run] = RUN_PATH.exec(path) ?? [];
  if (request.method === "GET" && run !== undefined)
    return readRunLedger(parts.store, run, url.searchParams, request.signal);
  switch (`${request.method} ${path}`) {
    case "POST /api/v2/spans":
      return addZipkinSpans(request, parts);
    case "POST /api/v1/spans":
      return addZipkinV1Spans(request, parts);
    case `POST ${OTLP_PATH}`:
      return addOtlpSpans(request, parts);
    case "GET /api/live":
      return respondLive(parts.live);
    case "GET /api/runs":
      return respondJson(request, listRuns(parts.store));
    case "GET /api/verify":
      return respondJson(request, proofOf(parts).result());
    case "GET /page/proof":
      return respondJson(request, parts.proof?.proofOf(url.searchParams.get("trace") ?? "") ?? null);
    case "GET /page/dependencies":
      return answerQuery(request, "dependencies", untilNow(url), parts);
    case "GET /page/traces":
      return respondJson(request, listForPage(parts, url));
    default: {
      const other = request.method === "GET" ? await answerOther(request, url, parts) : undefined;
      if (other === undefined) throw new HttpError(404, `Not found: ${request.method} ${path}`);
      return other;
    }
  }
}

/** Answers probes, scrapers and Zipkin's own page, and serves our page. */
async function answerOther(request: Request, url: URL, parts: ApiParts): Promise<Response | undefined> {
  const { store, metrics } = parts;
  switch (url.pathname) {
    case "/health":
      return respondJson(request, { status: "UP", startedAt: parts.startedAt, store: countsOf(parts) });
    case "/info":
      return respondJson(request, { chainLink: { version: parts.version } });
    case "/metrics":
      return respondJson(request, formatActuator(metrics));
    case "/prometheus":
      return respondText(request, formatPrometheus(metrics, store.counts()), {
        "Content-Type": PROMETHEUS_TYPE,
      });
    case "/zipkin/config.json":
      return respondJson(request, lensConfig(parts));
    default:
      return redirectLens(url) ?? servePage(request, url.pathname);
  }
}

/** https://github.com/openzipkin/zipkin/tree/master/zipkin-server#configuration-for-the-ui */
function lensConfig({ isSearchable, lookbackMs }: QueryParts) {
  return {
    environment: "",
    queryLimit: 10,
    defaultLookback: Math.min(LENS_LOOKBACK_MS, lookbackMs),
    searchEnabled: isSearchable,
    dependency: { enabled: true, lowErrorRate: 0.5, highErrorRate: 0.75 },
  };
}

const LENS_LOOKBACK_MS = 15 * 60 * 1000;

/** Redirects links into Zipkin's page to the corresponding place of ours. */
function redirectLens({ pathname }: URL): Response | undefined {
  if (!/^\/zipkin(\/|$)/.test(pathname)) return undefined;
  const [, traceId] = /^\/zipkin\/traces\/([0-9a-f]+)$/.exec(pathname) ?? [];
  return new Response(null, { status: 302, headers: { Location: traceId ? `/?trace=${traceId}` : "/" } });
}

function proofOf({ proof }: ApiParts): RunProof {
  if (proof === null) throw new HttpError(404, "This collector drives no load, so it has no ledger.");
  return proof;
}

function countsOf({ store, metrics, sampleRate }: ApiParts): CollectorCounts {
  return { ...store.counts(), ...(sampleRate < 1 && { sampledOutSpans: metrics.spansSampledOut }) };
}

function listForPage(parts: ApiParts, url: URL) {
  const { store, proof, lookbackMs } = parts;
  const summaries = listTraces(store, parseListingQuery(url.searchParams, lookbackMs));
  const traces =
    proof === null
      ? summaries
      : summaries.map((summary) => ({ ...summary, proof: proof.proofOf(summary.traceId) }));
  return { traces, services: store.services(), counts: countsOf(parts) };
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
