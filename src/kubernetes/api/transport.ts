import { readBody } from "../../lib/bounded-body.ts";
import { UserError } from "../../lib/errors.ts";
import type { ClusterAccess } from "./access.ts";
import type { ClientTls } from "./credentials.ts";
import { explainRefused, explainUnreachable, isPassing, isTrustProblem } from "./failure.ts";
import { Gate } from "./gate.ts";
import type { LiveObject } from "./live-object.ts";
import type { ApiRequest } from "./request.ts";
import { ApiError, readApiError } from "./status.ts";

export interface ApiClientOptions {
  /** How long one answer may take. @default 20,000 */
  readonly requestTimeoutMs?: number;
  /** How long a request that fails for a reason that may pass is tried again. @default 45,000 */
  readonly patienceMs?: number;
  /** What the server warns of, each text once. */
  readonly onWarning?: (text: string) => void;
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

/** Requests over kept-alive connections to one API server, tried again while a failure may pass. */
export class Transport {
  readonly access: ClusterAccess;
  readonly #options: ApiClientOptions;
  readonly #gate = new Gate(LEAST_CONCURRENCY, MOST_CONCURRENCY);
  readonly #warnings = new Set<string>();
  #lastTls: ClientTls | null = null;
  #lastChecked: ClientTls = {};
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
      const found = JSON.stringify(text.slice(0, 80));
      throw new UserError(
        "cluster-error",
        `${this.access.server} does not speak JSON: ${found}`,
        "Is the server of the kubeconfig a Kubernetes API server?",
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
    const timeout = AbortSignal.timeout(this.#timeoutMs);
    return this.#gate.run(async () => {
      const limit = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
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
    const timer = setTimeout(() => head.abort(new Error("no answer in time")), this.#timeoutMs);
    try {
      const response = await this.#fetch(request, AbortSignal.any([signal, head.signal]), JSON_TYPE);
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
        const response = await this.#fetch(
          request,
          AbortSignal.timeout(this.#timeoutMs),
          request.accept ?? JSON_TYPE,
        );
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

  async #fetch(request: ApiRequest, timeout: AbortSignal, accept: string): Promise<Response> {
    const { signal } = this.#options;
    signal?.throwIfAborted();
    // First: a plugin that is asked who we are may answer with a certificate.
    const identity = await this.access.headers();
    const { server, tls, proxy } = this.access;
    const headers: Record<string, string> = { Accept: accept, "User-Agent": "chain-link", ...identity };
    if (request.body !== undefined) headers["Content-Type"] = request.contentType ?? JSON_TYPE;
    this.requests += 1;
    const response = await fetch(`${server}${request.path}`, {
      method: request.method,
      headers,
      redirect: "manual",
      signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      ...(request.body === undefined ? {} : { body: JSON.stringify(request.body) }),
      ...(tls === null ? {} : { tls: this.#checked(tls) }),
      ...(proxy === null ? {} : { proxy }),
    });
    this.access.hasAnswered = true;
    return response;
  }

  /**
   * Certificates are checked unless the kubeconfig says otherwise, whatever `NODE_TLS_REJECT_UNAUTHORIZED` says.
   * The same object for the same `tls`: connections are kept by it.
   */
  #checked(tls: ClientTls): ClientTls {
    if (tls !== this.#lastTls) {
      this.#lastTls = tls;
      this.#lastChecked = { rejectUnauthorized: true, ...tls };
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
