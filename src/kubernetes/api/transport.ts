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
  /** How long one answer may take. @default 20,000 */
  readonly requestTimeoutMs?: number;
  /** How long a request that fails for a reason that may pass is tried again. @default 45,000 */
  readonly patienceMs?: number;
  /** What the server warns of, each text once. */
  readonly onWarning?: (text: string) => void;
  /** Called at the first request that succeeds. */
  readonly onFirstSuccess?: () => void;
  /** Aborts what is under way, and lets nothing new begin. */
  readonly signal?: AbortSignal;
}

/** Requests under way at the same time. These keep two processors of a server on the same machine busy. */
const LEAST_CONCURRENCY = 16;
/** For a server that is far away, and fast. */
const MOST_CONCURRENCY = 64;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A server that never answered is not waited for as long as one that stumbles. */
const STRANGER_PATIENCE_MS = 4_000;
export const JSON_TYPE = "application/json";

type CertificateCheck = (name: string, certificate: PeerCertificate) => Error | undefined;

/** Requests over kept-alive connections to one API server, tried again while a failure may pass. */
export class Transport {
  readonly access: ClusterAccess;
  readonly #options: ApiClientOptions;
  readonly #gate = new Gate(LEAST_CONCURRENCY, MOST_CONCURRENCY);
  readonly #warnings = new Set<string>();
  #lastTls: ClientTls | null = null;
  #lastChecked: ClientTls | null = null;
  #sockets: SocketClient | null = null;
  #hasSucceeded = false;
  /** Requests sent, repeated ones too. */
  requests = 0;

  constructor(access: ClusterAccess, options: ApiClientOptions = {}) {
    this.access = access;
    this.#options = options;
  }

  /** @throws {ApiError} for an answer that is no success; {@link UserError} when there is none */
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

  /** The body of a successful answer, tried again while a failure may pass. */
  text(request: ApiRequest): Promise<string> {
    return this.#gate.run(async () => (await this.#try(request)).body);
  }

  /** One answer as it is, of whatever status; for what the server passes on to a pod. */
  async raw(
    path: string,
    { accept = "*/*", signal }: { readonly accept?: string; readonly signal?: AbortSignal } = {},
  ): Promise<Response> {
    return this.#gate.run(async () => {
      const limit = () => withTimeout(this.#timeoutMs, signal);
      const { status, headers, body } = await this.#fetch({ method: "GET", path }, limit, accept);
      // Read here: until its end it is a request under way.
      return new Response(body === null ? null : await readBody(new Response(body)), { status, headers });
    });
  }

  /** An answer that goes on: a watch. It does not count against the requests at the same time. */
  async stream(path: string, signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    const request: ApiRequest = { method: "GET", path };
    // Only until the head is there; afterwards the reader looks after itself.
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

  /** @param startLimit Starts the request's own time limit: after a login, in which a person may take minutes */
  async #fetch(request: ApiRequest, startLimit: () => AbortSignal, accept: string): Promise<Response> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    // First: a plugin that is asked who we are may answer with a certificate.
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
    // A connection with a check of our own is not kept: the first request makes it, for all that follow.
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
   * Certificates are checked unless the kubeconfig says otherwise, whatever `NODE_TLS_REJECT_UNAUTHORIZED` says.
   * Returns the same object for the same `tls`: connections are pooled by it.
   */
  #checkedTls(): ClientTls | null {
    const { tls } = this.access;
    if (tls !== this.#lastTls) {
      this.#lastTls = tls;
      this.#lastChecked = tls === null ? null : { rejectUnauthorized: true, ...tls };
    }
    return this.#lastChecked;
  }

  /** RFC 9110's `Warning: 299 - "text"`, of which there can be several in one field. */
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
