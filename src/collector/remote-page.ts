import { errorText } from "../lib/errors.ts";
import { listenerUrl } from "../lib/listener.ts";
import type { Span } from "../trace/span.ts";
import { HttpError } from "./http-error.ts";
import type { LiveRecorder } from "./live-recorder.ts";
import { respondLive } from "./live-stream.ts";
import { isFromHere } from "./origin.ts";
import { servePage } from "./page.ts";
import { PolledLive } from "./polled-live.ts";
import type { ProxiedBackend } from "./proxied-backend.ts";
import { fetchJson, isQuery, openLive, RemoteError, readJson } from "./remote-query.ts";
import { respondError, respondJson } from "./response.ts";
import { listen } from "./server.ts";
import { listFromZipkin, parseListingQuery, widenForZipkin } from "./trace-listing.ts";
import { untilNow } from "./trace-query.ts";

export interface RemotePageOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  readonly backend: ProxiedBackend;
  /** What `GET /api/topology` answers; `null` when it is not known. */
  readonly topology: unknown;
  /** One or two sentences: which traces are shown, where they come from, and what is unavailable. */
  readonly about: string;
}

export interface RemotePage {
  readonly url: string;
  stop(): Promise<void>;
}

/**
 * Serves the page for traces in another backend. It is read-only: everything but GET is rejected, and so is a request
 * with another host name or from another origin, because the traces may be confidential.
 * @throws {UserError} `port-busy`
 */
export function startRemotePage(options: RemotePageOptions): RemotePage {
  const { host, port, backend } = options;
  const live = backend.hasLive ? null : new PolledLive(backend);
  const server = listen(host, port, "--port", (request) => answer(request, options, live?.recorder ?? null));
  return {
    url: listenerUrl(host, server.port),
    async stop() {
      live?.stop();
      await server.stop(true);
    },
  };
}

async function answer(
  request: Request,
  options: RemotePageOptions,
  live: LiveRecorder | null,
): Promise<Response> {
  try {
    return await route(request, options, live);
  } catch (error) {
    if (error instanceof HttpError || error instanceof RemoteError)
      return respondError(error.status, error.message);
    return respondError(502, `The backend does not answer: ${errorText(error)}`);
  }
}

async function route(
  request: Request,
  { host, backend, topology, about }: RemotePageOptions,
  live: LiveRecorder | null,
): Promise<Response> {
  if (!isFromHere(request, host)) return respondError(403, "Not from this host or origin.");
  if (request.method !== "GET") return respondError(405, "This page only shows; it changes nothing.");
  const url = new URL(request.url);
  const { pathname: path, search, searchParams } = url;
  if (path === "/api/topology") {
    if (topology === null) throw new HttpError(404, "No topology is known.");
    return respondJson(request, topology);
  }
  if (path === "/api/live") return live === null ? openLive(backend, request.signal) : respondLive(live);
  if (isQuery(backend, path)) return pass(request, backend, path + search);
  switch (path) {
    case "/page/traces":
      return respondJson(request, await listTraces(backend, searchParams));
    case "/page/dependencies":
      return pass(request, backend, `/api/v2/dependencies${untilNow(url).search}`);
    case "/page/proof":
      return respondJson(request, null);
    case "/":
      return describe((await servePage(new Request(request.url), path)) as Response, about);
  }
  const file = await servePage(request, path);
  if (file === undefined) throw new HttpError(404, `Not found here: ${path}`);
  return file;
}

/** As it is. */
async function pass(request: Request, backend: ProxiedBackend, query: string): Promise<Response> {
  const headers = { "Content-Type": "application/json", "Cache-Control": "no-store" };
  return new Response(await fetchJson(backend, query, request.signal), { headers });
}

/** Zipkin has no list without spans. It is made here, so that the page downloads little. */
async function listTraces(backend: ProxiedBackend, parameters: URLSearchParams) {
  const query = parseListingQuery(parameters);
  const [traces, services] = await Promise.all([
    readJson<Span[][]>(backend, `/api/v2/traces?${widenForZipkin(parameters, query)}`),
    readJson<string[]>(backend, "/api/v2/services"),
  ]);
  return { traces: listFromZipkin(traces, query), services, counts: null };
}

/** The page reads the text from its own `<head>`. */
async function describe(response: Response, about: string): Promise<Response> {
  const content = about.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
  const meta = `<meta name="about" content="${content}">`;
  const html = (await response.text()).replace("<title>", () => `${meta}<title>`);
  const headers = new Headers(response.headers);
  return new Response(html, { headers });
}
