import type { Exchange } from "../http/exchange.ts";
import type { Failure } from "../http/failure.ts";
import type { ErrorRuleKind } from "../topology/model.ts";
import { BROKEN_CONTEXT_TAG } from "../trace/context.ts";
import type { Refusal } from "./refusal.ts";
import type { SpanFormat } from "./span-format.ts";

/** `minimal`: the original's four; `default`: adds OpenTelemetry's stable ones; `full`: adds all others of the original. */
export type TagSet = "minimal" | "default" | "full";

export const TAG_SETS = ["minimal", "default", "full"] as const satisfies readonly TagSet[];

interface TagSource {
  readonly tagSet: TagSet;
  readonly port: number;
}

/** What all span templates of a link share. */
export interface TemplateParts {
  readonly format: SpanFormat;
  readonly tagSource: TagSource;
  /** Tags of every span. */
  readonly commonTags: Readonly<Record<string, string>>;
}

/** The parts of a request that become tags. */
type TaggedRequest = Pick<Exchange, "method" | "target" | "path" | "host" | "header" | "peer">;

/** The result of an attempt: an answer, or the reason why there was none. */
export type CallResult =
  | {
      readonly status: number;
      /** The callee answered that it began another trace. @default false */
      readonly isContextBroken?: boolean;
    }
  | Failure;

/** The result of a request: a status or no answer; and the cause, if the link itself caused it. */
interface ServerOutcome {
  /** 0 if it was not answered. */
  readonly status: number;
  readonly cause: Cause | null;
}

/** A failure that the topology asks for, a refusal, or the end of the link. */
export type Cause = ErrorRuleKind | Refusal | "shutdown";

/** Tags of a SERVER span. `route` is absent if no route matched. */
export function serverTags(
  { tagSet, port }: TagSource,
  request: TaggedRequest,
  { status, cause }: ServerOutcome,
  route: string | undefined,
): Record<string, string> {
  const isAnswered = status !== 0;
  const isError = status >= 500 || !isAnswered;
  const tags: Record<string, string> = { "http.method": request.method, "http.target": request.target };
  if (route !== undefined) tags["http.route"] = route;
  if (isAnswered) tags["http.status_code"] = String(status);
  const error = isAnswered ? String(status) : `${cause}`;
  if (tagSet !== "minimal") {
    tags["http.request.method"] = request.method;
    tags["url.path"] = request.path;
    if (isAnswered) tags["http.response.status_code"] = String(status);
    Object.assign(tags, splitHost(request.host));
    if (isError) tags["error.type"] = error;
    if (cause !== null) tags["chain_link.cause"] = cause;
  }
  if (tagSet === "full") {
    const host = request.host ?? "";
    tags["http.scheme"] = "http";
    tags["http.flavor"] = "1.1";
    tags["http.host"] = host;
    tags["http.server_name"] = host.replace(/:\d+$/, "");
    tags["http.user_agent"] = request.header("user-agent") ?? "";
    tags["net.host.port"] = String(port);
    if (request.peer !== null) {
      tags["net.peer.ip"] = request.peer.address;
      tags["net.peer.port"] = String(request.peer.port);
    }
  }
  if (isError) markError(tags, error);
  return tags;
}

/** Tags of a CLIENT span. `attempt` counts from 0. */
export function clientTags(
  { tagSet }: TagSource,
  method: "GET" | "POST",
  url: string,
  result: CallResult,
  attempt: number,
): Record<string, string> {
  const tags: Record<string, string> = { "http.method": method, "http.url": url };
  if ("status" in result) {
    tags["http.status_code"] = String(result.status);
    if (result.isContextBroken) tags[BROKEN_CONTEXT_TAG] = "broken";
  }
  if (tagSet !== "minimal") {
    tags["http.request.method"] = method;
    Object.assign(tags, splitHost(authorityOf(url), url.startsWith("https:") ? "443" : "80"));
    if ("status" in result) tags["http.response.status_code"] = String(result.status);
    const errorType = describeErrorType(result);
    if (errorType !== null) tags["error.type"] = errorType;
    if (attempt > 0) tags["http.request.resend_count"] = String(attempt);
  }
  if (!("status" in result)) markError(tags, `${result.reason}: ${result.message}`);
  else if (result.status >= 400) markError(tags, String(result.status));
  return tags;
}

/** Tags that the original sets on every span, for the `full` set. */
export function commonTags(tagSet: TagSet, serviceName: string, version: string): Record<string, string> {
  if (tagSet !== "full") return {};
  return {
    "service.name": serviceName,
    "telemetry.sdk.language": "nodejs",
    "telemetry.sdk.name": SCOPE_NAME,
    "telemetry.sdk.version": version,
    "otel.library.name": SCOPE_NAME,
    "otel.library.version": version,
    "otel.scope.name": SCOPE_NAME,
    "otel.scope.version": version,
  };
}

/** The name of the OpenTelemetry instrumentation scope. */
export const SCOPE_NAME = "chain-link";

function describeErrorType(result: CallResult): string | null {
  if (!("status" in result)) return result.reason;
  return result.status >= 400 ? String(result.status) : null;
}

function markError(tags: Record<string, string>, text: string): void {
  tags["otel.status_code"] = "ERROR";
  tags.error = text;
}

function authorityOf(url: string): string {
  return url.slice(url.indexOf("//") + 2).replace(/\/.*/, "");
}

/** Splits `host`, `host:port` or `[IPv6]:port` into tags. */
function splitHost(host: string | null, defaultPort?: string): Record<string, string> {
  if (host === null || host === "") return {};
  const match = /^(?:\[(.*)\]|(.*?))(?::(\d+))?$/.exec(host);
  const address = match?.[1] ?? match?.[2] ?? host;
  const port = match?.[3] ?? defaultPort;
  return { "server.address": address, ...(port === undefined ? {} : { "server.port": port }) };
}
