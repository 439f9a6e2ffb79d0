import { errorText, UserError } from "../../lib/errors.ts";
import type { KubernetesObject } from "../object.ts";
import { Gate } from "./gate.ts";
import type { ClusterAccess } from "./kubeconfig.ts";
import type { LiveMetadata, LiveObject } from "./live-object.ts";
import { type Resource, resourcePath } from "./resource.ts";
import { ApiError, hasReason, isNotFound, readApiError } from "./status.ts";

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

export interface ApiRequest {
  readonly method: "GET" | "POST" | "PATCH" | "PUT" | "DELETE";
  /** With query. */
  readonly path: string;
  readonly body?: unknown;
  readonly contentType?: string;
  readonly accept?: string;
  /** Carries a condition that will not come true by waiting: a conflict is an answer. */
  readonly isConditional?: boolean;
}

export interface ApplyOptions {
  readonly manager: string;
  readonly force?: boolean;
  readonly dryRun?: boolean;
}

export interface ListOptions {
  readonly labelSelector?: string;
  readonly fieldSelector?: string;
  /** Only `metadata`: a tenth of the bytes. */
  readonly metadataOnly?: boolean;
}

/** What a list tells besides its objects. */
export interface ListEnd {
  /** Where a watch can begin. */
  readonly resourceVersion: string;
}

/** Requests under way at the same time: the server is the limit of an installation, and it is fair to others. */
const CONCURRENCY = 16;
/** Objects of one answer to a list: a few requests for each kind, and memory for one page at a time. */
const PAGE_SIZE = 500;
const FIRST_DELAY_MS = 100;
const MAX_DELAY_MS = 5_000;
/** A server that never answered is not waited for as long as one that stumbles. */
const STRANGER_PATIENCE_MS = 4_000;
const JSON_TYPE = "application/json";
const METADATA_LIST_TYPE = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/** Statuses that may pass when one waits. */
const PASSING = new Set([429, 500, 502, 503, 504]);

/** Raw JSON over kept-alive connections to one API server. */
export class ApiClient {
  readonly access: ClusterAccess;
  readonly #options: ApiClientOptions;
  readonly #gate = new Gate(CONCURRENCY);
  readonly #warnings = new Set<string>();
  /** Requests sent, repeated ones too. */
  requests = 0;

  constructor(access: ClusterAccess, options: ApiClientOptions = {}) {
    this.access = access;
    this.#options = options;
  }

  get(resource: Resource, namespace: string | null, name: string): Promise<LiveObject> {
    return this.json({ method: "GET", path: resourcePath(resource, namespace, name) });
  }

  /** `null` when it does not exist. */
  async find(resource: Resource, namespace: string | null, name: string): Promise<LiveObject | null> {
    try {
      return await this.get(resource, namespace, name);
    } catch (error) {
      if (isNotFound(error)) return null;
      throw error;
    }
  }

  /**
   * Every object of a collection, page by page; `apiVersion` and `kind`, which lists leave out, are added. When the
   * server has forgotten the rest of a list in between, the list begins again and `onRestart` is told.
   */
  async list(
    resource: Resource,
    namespace: string,
    options: ListOptions,
    onObject: (object: LiveObject) => void,
    onRestart: () => void = () => {},
  ): Promise<ListEnd> {
    let next = "";
    for (;;) {
      const query = new URLSearchParams({ limit: String(PAGE_SIZE) });
      if (options.labelSelector !== undefined) query.set("labelSelector", options.labelSelector);
      if (options.fieldSelector !== undefined) query.set("fieldSelector", options.fieldSelector);
      if (next !== "") query.set("continue", next);
      const path = `${resourcePath(resource, namespace)}?${query}`;
      const accept = options.metadataOnly ? METADATA_LIST_TYPE : JSON_TYPE;
      let page: { metadata: { continue?: string; resourceVersion?: string }; items: LiveObject[] | null };
      try {
        page = await this.json({ method: "GET", path, accept });
      } catch (error) {
        if (next === "" || !hasReason(error, "Expired")) throw error;
        next = "";
        onRestart();
        continue;
      }
      const { apiVersion, kind } = resource;
      for (const item of page.items ?? []) onObject({ ...item, apiVersion, kind });
      next = page.metadata.continue ?? "";
      if (next === "") return { resourceVersion: page.metadata.resourceVersion ?? "" };
    }
  }

  /** A collection as one list; for those that are known to be small. */
  async listAll(resource: Resource, namespace: string, options: ListOptions = {}): Promise<LiveObject[]> {
    const objects: LiveObject[] = [];
    await this.list(
      resource,
      namespace,
      options,
      (object) => objects.push(object),
      () => objects.splice(0),
    );
    return objects;
  }

  /** Server-side apply, which also creates. */
  apply(
    resource: Resource,
    object: KubernetesObject,
    { manager, force = false, dryRun = false }: ApplyOptions,
  ): Promise<LiveObject> {
    const { name, namespace = null } = object.metadata;
    const query = `fieldManager=${manager}&force=${force}&fieldValidation=Strict${dryRun ? "&dryRun=All" : ""}`;
    return this.json({
      method: "PATCH",
      path: `${resourcePath(resource, namespace, name)}?${query}`,
      body: object,
      contentType: "application/apply-patch+yaml",
    });
  }

  /** Creates; the caller has to expect `AlreadyExists` of an own attempt whose answer was lost. */
  create(
    resource: Resource,
    namespace: string | null,
    object: KubernetesObject,
    manager: string,
  ): Promise<LiveObject> {
    const path = `${resourcePath(resource, namespace)}?fieldManager=${manager}&fieldValidation=Strict`;
    return this.json({ method: "POST", path, body: object });
  }

  /** RFC 7386. With a `resourceVersion` in it, the object must still be of that version. */
  mergePatch(
    resource: Resource,
    namespace: string | null,
    name: string,
    patch: unknown,
    manager: string,
  ): Promise<LiveObject> {
    return this.json({
      method: "PATCH",
      path: `${resourcePath(resource, namespace, name)}?fieldManager=${manager}`,
      body: patch,
      contentType: "application/merge-patch+json",
      isConditional: true,
    });
  }

  /** Deletes exactly this object; one that is gone already is fine. What it owns goes in the background. */
  async delete(
    resource: Resource,
    namespace: string | null,
    name: string,
    preconditions: { readonly uid: string; readonly resourceVersion?: string },
  ): Promise<void> {
    const body = { kind: "DeleteOptions", apiVersion: "v1", propagationPolicy: "Background", preconditions };
    try {
      await this.json({
        method: "DELETE",
        path: resourcePath(resource, namespace, name),
        body,
        isConditional: true,
      });
    } catch (error) {
      if (!isNotFound(error)) throw error;
    }
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
  ): Promise<{ readonly status: number; readonly headers: Headers; readonly body: string }> {
    const request: ApiRequest = { method: "GET", path };
    return this.#gate.run(async () => {
      const response = await this.#fetch(request, AbortSignal.timeout(this.#timeoutMs), "*/*");
      return { status: response.status, headers: response.headers, body: await response.text() };
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
        if (!isPassing(error, request)) throw explain(error, this.access);
        failure = error;
        waitMs = error.retryAfterMs;
      } catch (error) {
        if (error instanceof UserError) throw error;
        if (this.#options.signal?.aborted) throw this.#options.signal.reason;
        if (isTrustProblem(error)) throw unreachable(this.access, error);
        failure = error;
      }
      const delayMs =
        waitMs ?? Math.min(FIRST_DELAY_MS * 2 ** attempt, MAX_DELAY_MS) * (0.5 + Math.random() / 2);
      const limitMs = this.access.hasAnswered ? patienceMs : STRANGER_PATIENCE_MS;
      if (performance.now() - startMs + delayMs > Math.min(limitMs, patienceMs)) {
        throw failure instanceof ApiError ? explain(failure, this.access) : unreachable(this.access, failure);
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
      ...(tls === null ? {} : { tls }),
      ...(proxy === null ? {} : { proxy }),
    });
    this.access.hasAnswered = true;
    return response;
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

/** `uid` and `resourceVersion` of what is known of an object, as deletion wants them. */
export function exactly({ uid, resourceVersion }: LiveMetadata): { uid: string; resourceVersion: string } {
  return { uid, resourceVersion };
}

/** A conflict that is not about field managers passes: of versions, or of the quota's own record. */
function isPassing(error: ApiError, { isConditional = false }: ApiRequest): boolean {
  if (PASSING.has(error.status)) return true;
  // A namespace gets its service account a moment after it was made, and takes no Pod before.
  if (error.status === 403 && /error looking up service account/.test(error.message)) return true;
  return error.status === 409 && !isConditional && /object has been modified|quota/i.test(error.message);
}

/** Failures that every command meets alike; others are for who asked. */
function explain(error: ApiError, { server, userName }: ClusterAccess): Error {
  if (error.status === 401) {
    return new UserError(
      "credentials-invalid",
      `${server} does not accept the credentials of ${userName}: ${error.message}`,
      "Log in again, or choose another context with --context.",
      { cause: error },
    );
  }
  if (error.status >= 300 && error.status < 400) {
    return new UserError(
      "cluster-unreachable",
      `${server} sends us elsewhere (${error.status})`,
      "Is the server of the kubeconfig a Kubernetes API server?",
    );
  }
  if (PASSING.has(error.status)) {
    return new UserError(
      "cluster-error",
      `${server} answers ${error.status} again and again: ${error.message}`,
      "Is the cluster well? Run the same command again when it is: it goes on where this one ended.",
      { cause: error },
    );
  }
  return error;
}

function isTrustProblem(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|TLS|SSL|SIGNATURE|ISSUER|VERIFY/.test(code) && !/RESET|CLOSED/.test(code);
}

function unreachable({ server }: ClusterAccess, error: unknown): UserError {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  const what = isTimeout
    ? "it did not answer in time"
    : `${errorText(error)}${code === "" ? "" : ` (${code})`}`;
  const hint = /CERT_HAS_EXPIRED/.test(code)
    ? "A certificate has expired: renew it, or ask the cluster's administrator."
    : isTrustProblem(error)
      ? "Does the kubeconfig have the certificate authority of this server?"
      : "Is the cluster running, and is this the right context (kubectl config get-contexts)?";
  return new UserError("cluster-unreachable", `cannot reach the API server ${server}: ${what}`, hint, {
    cause: error,
  });
}
