import { DeadlineTimer } from "./deadline-timer.ts";
import type { Failure } from "./failure.ts";
import { isField } from "./fields.ts";
import { CLIENT_LIMITS, type ClientLimits } from "./limits.ts";
import type { CallListener, Reply } from "./reply.ts";
import { Sweeper } from "./sweeper.ts";
import { type ClientContext, type TlsOptions, Upstream } from "./upstream.ts";

export interface ClientOptions {
  /** @default CLIENT_LIMITS */
  readonly limits?: Partial<ClientLimits>;
  /** For `https:` upstreams. */
  readonly tls?: TlsOptions;
}

interface RequestOptions {
  /** @default "GET" */
  readonly method?: string;
  readonly headers?: readonly (readonly [name: string, value: string])[];
  /** The bytes must not change until the request has ended. */
  readonly body?: string | Uint8Array;
  readonly timeoutMs: number;
}

/** The result of a request: a reply, or the reason why there was none. */
export type Outcome =
  | {
      readonly kind: "reply";
      /** 200 to 599. */
      readonly status: number;
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** As sent by the server. */
      readonly body: Buffer;
      /** {@link CallListener} */
      readonly isRepeated: boolean;
    }
  | ({ readonly kind: "failure"; readonly isRepeated: boolean } & Failure);

/** Calls servers and keeps connections to them. Does not follow redirects or decode bodies. */
export class Client {
  readonly #options: ClientOptions;
  readonly #context: ClientContext;
  readonly #upstreams = new Map<string, Upstream>();

  constructor(options: ClientOptions = {}) {
    const limits: ClientLimits = { ...CLIENT_LIMITS, ...options.limits };
    this.#options = options;
    this.#context = {
      limits,
      sweeper: new Sweeper(Math.min(limits.idleTimeoutMs, limits.maxAgeMs), () => this.#sweep()),
      deadlines: new DeadlineTimer((nowMs) => this.#expire(nowMs)),
      isClosed: false,
    };
  }

  /**
   * The upstream of a URL; URLs with the same scheme, host and port share one. Look it up at start, not for each call.
   * @throws {TypeError} if the scheme is neither `http:` nor `https:`
   */
  upstream(url: string): Upstream {
    const { origin, hostname, protocol, port } = new URL(url);
    const known = this.#upstreams.get(origin);
    if (known !== undefined) return known;
    if (protocol !== "http:" && protocol !== "https:") {
      throw new TypeError(`expected an http: or https: URL, got ${url}`);
    }
    const isTls = protocol === "https:";
    const made = new Upstream(
      {
        host: hostname.replace(/^\[(.*)\]$/, "$1"),
        port: port === "" ? (isTls ? 443 : 80) : Number(port),
        tls: isTls ? (this.#options.tls ?? {}) : null,
      },
      this.#context,
    );
    this.#upstreams.set(origin, made);
    return made;
  }

  /**
   * Sends one request given as plain values. A failure is returned, not thrown.
   * @throws {TypeError} if the URL or a header cannot be sent
   */
  request(url: string, options: RequestOptions): Promise<Outcome> {
    const { body } = options;
    const content = typeof body === "string" ? Buffer.from(body) : body;
    const bytes = renderHead(new URL(url), options, content?.length);
    const { promise, resolve } = Promise.withResolvers<Outcome>();
    this.upstream(url).call(
      bytes,
      bytes.length,
      performance.now() + options.timeoutMs,
      new PromiseListener(resolve),
      content,
    );
    return promise;
  }

  /** Ends all calls and closes all connections. */
  close(): void {
    this.#context.isClosed = true;
    for (const upstream of this.#upstreams.values()) upstream.close();
    this.#context.sweeper.stop();
    this.#context.deadlines.stop();
  }

  #expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const upstream of this.#upstreams.values()) next = Math.min(next, upstream.expire(nowMs));
    return next;
  }

  #sweep(): void {
    let size = 0;
    for (const upstream of this.#upstreams.values()) {
      upstream.sweep();
      size += upstream.size;
    }
    if (size === 0) this.#context.sweeper.stop();
  }
}

class PromiseListener implements CallListener {
  readonly #resolve: (outcome: Outcome) => void;

  constructor(resolve: (outcome: Outcome) => void) {
    this.#resolve = resolve;
  }

  onReply({ status, fields, body }: Reply, isRepeated: boolean): void {
    this.#resolve({ kind: "reply", status, headers: fields.list(), body, isRepeated });
  }

  onFailure(failure: Failure, isRepeated: boolean): void {
    this.#resolve({ kind: "failure", ...failure, isRepeated });
  }
}

function renderHead(
  url: URL,
  { method = "GET", headers = [] }: RequestOptions,
  bodyBytes: number | undefined,
): Buffer {
  const lines = [["Host", url.host] as const, ...headers].map(([name, value]) => {
    if (!isField(name, value)) throw new TypeError(`the header ${JSON.stringify(name)} cannot be sent`);
    return `${name}: ${value}\r\n`;
  });
  if (!isField(method, "")) throw new TypeError(`${JSON.stringify(method)} is not a method`);
  if (bodyBytes !== undefined) lines.push(`Content-Length: ${bodyBytes}\r\n`);
  return Buffer.from(`${method} ${url.pathname}${url.search} HTTP/1.1\r\n${lines.join("")}\r\n`, "latin1");
}
