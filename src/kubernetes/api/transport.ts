import type { PeerCertificate } from "node:tls";
import { readBody } from "../../lib/bounded-body.ts";
import { UserError } from "../../lib/errors.ts";
import type { ClusterAccess } from "./access.ts";
import { checkServerName } from "./certificates.ts";
import type { ClientTls } from "./credentials.ts";
import { explainRefused, explainUnreachable, isPassing, isTrustProblem, NO_API_SERVER } from "./failure.ts";
import { Gate } from "./gate.ts";
import type { LiveObject } from "./live-object.ts";
import type { ApiRequest } from "./request.ts";
import { SocketClient, type SocketRequest } from "./socket-client.ts";
import { ApiError, isHtml, readApiError } from "./status.ts";

export interface ApiClientOptions {
  /** Maximum time for one answer, ms. @default 20,000 */
  readonly requestTimeoutMs?: number;
  /** How long to retry transient errors, ms. @default 45,000 */
  readonly patienceMs?: number;
  /** Receives each distinct warning of the server once. */
  readonly onWarning?: (text: string) => void;
  /** Called after the first successful request. */
  readonly onFirstSuccess?: () => void;
  /** Aborts requests in flight and prevents new ones. */
  readonly signal?: AbortSignal;
}

/** Minimum limit of concurrent requests. It keeps two processors of a server on the same machine busy. */
const LEAST_CONCURRENCY = 16;
/** Maximum limit, reached with a fast server far away. */
const MOST_CONCURRENCY = 64;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** Retries are shorter for a server that has never answered. */
const STRANGER_PATIENCE_MS = 4_000;
export const JSON_TYPE = "application/json";

type CertificateCheck = (name: string, certificate: PeerCertificate) => Error | undefined;

/** Sends requests to one API server over kept-alive connections, and retries transient errors. */
export class Transport {
  readonly access: ClusterAccess;
  readonly #options: ApiClientOptions;
  readonly #gate = new Gate(LEAST_CONCURRENCY, MOST_CONCURRENCY);
  readonly #warnings = new Set<string>();
  #lastTls: ClientTls | null = null;
  #lastChecked: ClientTls | null = null;
  #sockets: SocketClient | null = null;
  #hasSucceeded = false;
  /** Requests sent, including retries. */
  requests = 0;

  constructor(access: ClusterAccess, options: ApiClientOptions = {}) {
    this.access = access;
    this.#options = options;
  }

  /** @throws {ApiError} for a failed answer; {@link UserError} when there is no answer */
  async json<T = LiveObject>(request: ApiRequest): Promise<T> {
    const text = await this.text({ accept: JSON_TYPE, ...request });
    try {
      return JSON.parse(text) as T;
    } catch {
      const found = isHtml(text) ? "an HTML page" : JSON.stringify(text.slice(0, 80));
      throw new UserError(
        "cluster-error",
        `${this.access.server} does not speak JSON: ${found}`,
        NO_API_SERVER,
      );
    }
  }

  /** Returns the body of a successful answer, and retries transient errors. */
  text(request: ApiRequest): Promise<string> {
    return this.#gate.run(async () => (await this.#try(request)).body);
  }

  /** Returns one answer of any status unchanged, for requests that the API server proxies to a pod. */
  async raw(
    path: string,
    { accept = "*/*", signal }: { readonly accept?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Response> {
    return this.#gate.run(async () => {
      const limit = () => withTimeout(this.#timeoutMs, signal);
      const { status, headers, body } = await this.#fetch({ method: "GET", path }, limit, accept);
      // Read the body here, because the request is in flight until its end.
      return new Response(body === null ? null : await readBody(new Response(body)), { status, headers });
    });
  }

  /** Opens a streaming answer (a watch). It does not count toward the limit of concurrent requests. */
  async stream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const request: ApiRequest = { method: "GET", path };
    // This timeout covers only the head; the reader has its own.
    const head = new AbortController();
    let timer: Timer | undefined;
    const limit = () => {
      timer = setTimeout(() => head.abort(new Error("no answer in time")), this.#timeoutMs);
      return AbortSignal.any([signal, head.signal]);
    };
    try {
      const response = await this.#fetch(request, limit, JSON_TYPE);
      if (response.ok && response.body !== null) return response.body;
      const text = await response.text();
      throw readApiError(response.status, text, response.headers.get("retry-after"), `GET ${path}`);
    } finally {
      clearTimeout(timer);
    }
  }

  get #timeoutMs(): number {
    return this.#options.requestTimeoutMs ?? 20_000;
  }

  async #try(request: ApiRequest): Promise<{ body: string }> {
    const patienceMs = this.#options.patienceMs ?? 45_000;
    const startMs = performance.now();
    let hasRenewed = false;
    for (let attempt = 0; ; attempt++) {
      let failure: unknown;
      let waitMs: number | null = null;
      try {
        const limit = () => AbortSignal.timeout(this.#timeoutMs);
        const response = await this.#fetch(request, limit, request.accept ?? JSON_TYPE);
        const body = await response.text();
        this.#warn(response.headers);
        if (response.ok) return { body };
        const line = `${request.method} ${request.path}`;
        const error = readApiError(response.status, body, response.headers.get("retry-after"), line);
        if (error.status === 401 && !hasRenewed && (await this.access.renew())) {
          hasRenewed = true;
          continue;
        }
        if (!isPassing(error, request)) throw explainRefused(error, this.access);
        failure = error;
        waitMs = error.retryAfterMs;
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (this.#options.signal?.aborted) throw this.#options.signal.reason;
        if (isTrustProblem(error)) throw explainUnreachable(error, this.access);
        failure = error;
      }
      const delayMs =
        waitMs ?? Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
      const limitMs = this.access.hasAnswered ? patienceMs : STRANGER_PATIENCE_MS;
      if (performance.now() - startMs + delayMs > Math.min(limitMs, patienceMs)) {
        throw failure instanceof ApiError
          ? explainRefused(failure, this.access)
          : explainUnreachable(failure, this.access);
      }
      await Bun.sleep(delayMs);
    }
  }

  /** @param startLimit Starts the request's timeout, after a login that may take a person minutes */
  async #fetch(request: ApiRequest, startLimit: () => AbortSignal, accept: string): Promise<Response> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    // Authenticate first: a plugin may return a client certificate.
    const identity = await this.access.headers();
    const { server, needsSockets } = this.access;
    const headers = { Accept: accept, "User-Agent": "chain-link", ...identity } as Record<string, string>;
    if (request.body !== undefined) headers["Content-Type"] = request.contentType ?? JSON_TYPE;
    const limit = startLimit();
    this.requests += 1;
    const init = {
      method: request.method,
      headers,
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
    };
    const url = `${server}${request.path}`;
    const response = needsSockets
      ? await this.#sendOverSockets(url, init)
      : await this.#sendByFetch(url, init);
    this.access.hasAnswered = true;
    if (response.ok && !this.#hasSucceeded) {
      this.#hasSucceeded = true;
      this.#options.onFirstSuccess?.();
    }
    return response;
  }

  #sendOverSockets(url: string, init: SocketRequest): Promise<Response> {
    this.#sockets ??= new SocketClient(new URL(this.access.server), this.access.proxy);
    return this.#sockets.send(url, this.#checkedTls(), init);
  }

  #sendByFetch(url: string, init: RequestInit): Promise<Response> {
    const before = this.#lastTls;
    const tls = this.#checkedTls();
    if (tls === null) return fetch(url, { ...init, redirect: "manual" });
    // Connections with a custom check are not kept alive, so only the first request uses one.
    const isFirst = before !== this.#lastTls && tls.rejectUnauthorized === true;
    const name = tls.serverName ?? new URL(url).hostname;
    const check: CertificateCheck = (_, certificate) => checkServerName(name, certificate);
    const checked = isFirst ? { ...tls, checkServerIdentity: check } : tls;
    return fetch(url, {
      ...init,
      redirect: "manual",
      tls: checked as NonNullable<BunFetchRequestInit["tls"]>,
    });
  }

  /**
   * Verifies certificates unless the kubeconfig disables it, whatever `NODE_TLS_REJECT_UNAUTHORIZED` says.
   * Returns the same object for the same `tls`, because connections are pooled by it.
   */
  #checkedTls(): ClientTls | null {
    const { tls } = this.access;
    if (tls !== this.#lastTls) {
      this.#lastTls = tls;
      this.#lastChecked = tls === null ? null : { rejectUnauthorized: true, ...tls };
    }
    return this.#lastChecked;
  }

  /** Parses `Warning: 299 - "text"`; one field may contain several warnings. */
  #warn(headers: Headers): void {
    const { onWarning } = this.#options;
    const field = headers.get("warning");
    if (field === null || onWarning === undefined) return;
    for (const [, text = ""] of field.matchAll(/299 \S+ "((?:[^"\\]|\\.)*)"/g)) {
      if (this.#warnings.has(text)) continue;
      this.#warnings.add(text);
      onWarning(text.replaceAll(/\\(.)/g, "$1"));
    }
  }
}

function withTimeout(timeoutMs: number, signal: AbortSignal | undefined): AbortSignal {
  const timeout = AbortSignal.timeout(timeoutMs);
  return signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
}
