import { formatTraceResponse, TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER } from "../trace/ledger.ts";
import type { Caller } from "./caller.ts";
import { type Handler, jsonResponse, type LinkRequest, type LinkResponse } from "./exchange.ts";
import type { LinkLog } from "./log.ts";
import type { Role, Roles } from "./roles.ts";
import type { LinkStats } from "./stats.ts";
import { serverTags, type TagSource } from "./tags.ts";
import type { RequestTrace, Tracer } from "./tracer.ts";
import { POSITION_HEADER } from "./upstream.ts";
import { waitFor } from "./wait.ts";

export interface HandlerParts {
  /** The link's own name, whatever position a request gives it. */
  readonly name: string;
  /** The services known now; a watched file may change them. */
  readonly roles: () => Roles;
  /** Believe `X-Current-Service`. */
  readonly trustPosition: boolean;
  readonly tracer: Tracer;
  readonly caller: Caller;
  readonly tagSource: TagSource;
  readonly log: LinkLog;
  readonly stats: LinkStats;
  readonly renderMetrics: () => string;
}

const ALLOW = ["Allow", "GET, HEAD, OPTIONS"] as const;
const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The link as its callers see it: `/` and `/forward` of the original, `/readiness` and `/metrics`. */
export function createHandler(parts: HandlerParts): Handler {
  return (request) => {
    const path = request.path === "//" ? "/" : request.path;
    if (path === "/readiness") return answerUntraced(request, () => answerReadiness(parts));
    if (path === "/metrics") {
      return answerUntraced(request, () => ({
        status: 200,
        headers: [["Content-Type", PROMETHEUS_TYPE]],
        body: parts.renderMetrics(),
      }));
    }
    const isRoute = path === "/" || path === "/forward";
    return answerTraced(parts, request, isRoute ? path : undefined);
  };
}

function answerUntraced(request: LinkRequest, answer: () => LinkResponse): LinkResponse {
  return isRead(request) ? answer() : refuseMethod(request);
}

function answerReadiness({ roles, stats }: HandlerParts): LinkResponse {
  const services = ["chain-link-services", roles().hash] as const;
  if (stats.isDraining) return jsonResponse(503, { message: "shutting down" }, [services]);
  return jsonResponse(200, { message: "ok" }, [services]);
}

async function answerTraced(
  parts: HandlerParts,
  request: LinkRequest,
  route: string | undefined,
): Promise<LinkResponse> {
  const startMs = performance.now();
  parts.stats.inFlight++;
  const trace = parts.tracer.startRequest(request.header);
  try {
    const response = await respond(parts, request, route, trace);
    const { status } = response;
    // As the original names them: a route by its path, what has none by its method.
    const isRouted = route !== undefined && status !== 405;
    trace.finish(
      isRouted ? route : `HTTP ${request.method}`,
      serverTags(parts.tagSource, request, status, isRouted ? route : undefined),
      request.peer === null ? undefined : peerEndpoint(request.peer),
    );
    const durationMs = performance.now() - startMs;
    const { traceId, sampled } = trace;
    parts.stats.recordRequest(status, durationMs);
    parts.log.access({ method: request.method, path: request.target, status, durationMs, traceId });
    const added: (readonly [string, string])[] = [[LEDGER_HEADER, trace.ledger()]];
    if (trace.isStart) added.push([TRACE_RESPONSE_HEADER, formatTraceResponse(traceId, sampled)]);
    // The caller shall take its next request elsewhere.
    if (parts.stats.isDraining) added.push(["Connection", "close"]);
    return { ...response, headers: [...response.headers, ...added] };
  } finally {
    // Not before the span is recorded: the end of the link waits for this.
    parts.stats.inFlight--;
  }
}

function respond(
  parts: HandlerParts,
  request: LinkRequest,
  route: string | undefined,
  trace: RequestTrace,
): Promise<LinkResponse> | LinkResponse {
  if (route === undefined) return jsonResponse(404, { message: "Not Found" });
  return isRead(request) ? forward(parts, request, trace) : refuseMethod(request);
}

async function forward(
  parts: HandlerParts,
  request: LinkRequest,
  trace: RequestTrace,
): Promise<LinkResponse> {
  const { log, stats } = parts;
  const isLogged = log.admitRequest();
  const role = findRole(parts, request);
  if (role === undefined) return jsonResponse(400, { message: "Invalid service" });
  const { behaviour } = role;
  if (behaviour.slow !== null) {
    const draw = role.random();
    if (isLogged) log.info(`Node's random_number: ${draw}`);
    if (draw < behaviour.slow.probability) {
      if (isLogged) log.info(`This node is sleeping for ${behaviour.slow.delayMs / 1000} seconds`);
      await Bun.sleep(behaviour.slow.delayMs);
    }
  }
  if (isLogged) log.info(`current_service: ${role.name}`);
  if (behaviour.drawLatencyMs !== null) await waitFor(behaviour.drawLatencyMs());
  behaviour.burn?.();
  const failure = behaviour.drawError?.() ?? null;
  if (failure !== null) {
    stats.injectedErrors++;
    return jsonResponse(failure, { message: "injected error", service: role.name });
  }
  if (isLogged) {
    for (const call of role.steps.flat()) log.info(`next_service: ${call.service}`);
  }
  const answer = role.steps.length === 0 ? null : await parts.caller.makeCalls(role, request, trace);
  if (answer !== null && (answer.status >= 300 || behaviour.responseBytes === 0)) return answer;
  return finalAnswer(role);
}

/** The header says who the receiver is; empty or absent, it is itself. */
function findRole({ name, roles, trustPosition }: HandlerParts, request: LinkRequest): Role | undefined {
  const position = trustPosition ? request.header(POSITION_HEADER.toLowerCase()) : null;
  return position === null || position === "" ? roles().findOwn(name) : roles().find(position);
}

function finalAnswer({ name, behaviour }: Role): LinkResponse {
  const content = { message: `You have reached the final chain link ${name}` };
  const missing = behaviour.responseBytes - JSON.stringify(content).length - PADDING_BYTES;
  return jsonResponse(200, missing > 0 ? { ...content, padding: "x".repeat(missing) } : content);
}

/** Bytes of `,"padding":""` and the line feed. */
const PADDING_BYTES = 14;

function isRead(request: LinkRequest): boolean {
  return request.method === "GET" || request.method === "HEAD";
}

function refuseMethod(request: LinkRequest): LinkResponse {
  if (request.method === "OPTIONS") return { status: 200, headers: [ALLOW], body: "" };
  return jsonResponse(405, { message: "Method Not Allowed" }, [ALLOW]);
}

function peerEndpoint(peer: { address: string; port: number }): {
  ipv4?: string;
  ipv6?: string;
  port: number;
} {
  const { address, port } = peer;
  const mapped = address.startsWith("::ffff:") ? address.slice(7) : address;
  return mapped.includes(":") ? { ipv6: mapped, port } : { ipv4: mapped, port };
}
