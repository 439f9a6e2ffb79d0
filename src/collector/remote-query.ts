import { AnswerTooLargeError, MAX_ANSWER_BYTES, readBody } from "../lib/bounded-body.ts";
import { apiUrl } from "../lib/endpoint.ts";
import { errorText } from "../lib/errors.ts";
import { parseWellFormed } from "../lib/well-formed-json.ts";
import type { ProxiedBackend } from "./proxied-backend.ts";

/** A backend's error answer, or the reason why its answer is not passed on. */
export class RemoteError extends Error {
  constructor(
    readonly status: number,
    text: string,
  ) {
    super(text);
  }
}

const TIMEOUT_MS = 30_000;
/** Maximum characters quoted from a backend's error answer. */
const SHOWN_CHARACTERS = 500;

/**
 * All of Zipkin's queries. No other path of a backend is requested: it may be private, and our credentials may allow
 * it.
 */
const ZIPKIN_QUERIES =
  /^\/api\/v2\/(services|spans|remoteServices|traces|traceMany|dependencies|autocompleteKeys|autocompleteValues|trace\/[0-9a-f]{1,32})$/i;
/** Further queries that our own collector answers. */
const COLLECTOR_QUERIES = /^\/(page\/(dependencies|traces|proof)|api\/(live|runs|verify)|health)$/;

export function isQuery({ kind }: ProxiedBackend, path: string): boolean {
  return ZIPKIN_QUERIES.test(path) || (kind === "collector" && COLLECTOR_QUERIES.test(path));
}

/** Opens the stream of live numbers, which lasts as long as its listener. @throws {RemoteError} */
export async function openLive(backend: ProxiedBackend, signal: AbortSignal): Promise<Response> {
  const response = await ask(backend, "/api/live", "text/event-stream", signal);
  const headers = { "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store" };
  return new Response(response.body, { headers });
}

/** Returns the JSON that a backend answers to a query. @throws {RemoteError} */
export async function fetchJson(
  backend: ProxiedBackend,
  query: string,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const limit = AbortSignal.timeout(TIMEOUT_MS);
  const either = signal === undefined ? limit : AbortSignal.any([signal, limit]);
  const response = await ask(backend, query, "application/json", either);
  try {
    return await readBody(response);
  } catch (error) {
    if (!(error instanceof AnswerTooLargeError)) throw error;
    throw new RemoteError(
      502,
      `${nameOf(backend)} answers with more than ${MAX_ANSWER_BYTES / 1024 / 1024} MiB. Ask for fewer traces, of one service or a shorter time.`,
    );
  }
}

/** @throws {RemoteError} */
export async function readJson<T>(backend: ProxiedBackend, query: string, signal?: AbortSignal): Promise<T> {
  const text = new TextDecoder().decode(await fetchJson(backend, query, signal));
  try {
    return parseWellFormed(text) as T;
  } catch (error) {
    throw new RemoteError(502, `${nameOf(backend)} answers with JSON that is broken: ${errorText(error)}`);
  }
}

async function ask(
  backend: ProxiedBackend,
  query: string,
  type: string,
  signal: AbortSignal,
): Promise<Response> {
  const url = apiUrl(backend.url, "zipkin", query);
  const response = await backend.fetch(url, { signal, redirect: "manual" });
  if (response.ok && mediaTypeOf(response) === type) return response;
  throw new RemoteError(
    response.ok || response.status < 400 ? 502 : response.status,
    await explain(backend, response),
  );
}

async function explain(backend: ProxiedBackend, response: Response): Promise<string> {
  const { ok, status, body } = response;
  const type = mediaTypeOf(response);
  if (!ok && status >= 400 && type === "text/plain") {
    const text = await readBody(response).catch(() => new Uint8Array());
    return new TextDecoder().decode(text.subarray(0, SHOWN_CHARACTERS));
  }
  await body?.cancel();
  if (ok) return `${nameOf(backend)} answers with ${type || "an unknown type"} instead of JSON.`;
  if (status < 400) return `${nameOf(backend)} answers with a redirect, which is not followed.`;
  return `${nameOf(backend)} answers ${status}.`;
}

function nameOf({ kind }: ProxiedBackend): string {
  return kind === "zipkin" ? "The Zipkin" : "The collector";
}

function mediaTypeOf({ headers }: Response): string {
  return (headers.get("content-type") ?? "").split(";")[0]?.trim().toLowerCase() ?? "";
}
