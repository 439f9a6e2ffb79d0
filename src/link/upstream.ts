import { Client } from "../http/client.ts";
import type { Failure } from "../http/failure.ts";
import { isField } from "../http/fields.ts";
import type { CallListener, Reply as HttpReply } from "../http/reply.ts";
import type { Upstream } from "../http/upstream.ts";
import { errorText } from "../lib/errors.ts";
import { TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER } from "../trace/ledger.ts";

/** What became of one attempt to call another service. */
export type Reply = (
  | {
      readonly kind: "answer";
      /** 200 to 599. */
      readonly status: number;
      /** Those of {@link PASSED_HEADERS} that came. */
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The account of the callee's spans, as it came. */
      readonly ledger: string | null;
      /** Says which trace the callee began, where it did not take ours. */
      readonly traceResponse: string | null;
      /** As it was sent: what is compressed stays so. */
      readonly body: Uint8Array;
    }
  | ({ readonly kind: "failure" } & Failure)
) & {
  /** Sent a second time, as the kept connection turned out to be closed: the first may have arrived, too. */
  readonly isRepeated: boolean;
};

/** The header that tells the receiver which service it is. */
export const POSITION_HEADER = "X-Current-Service";

/** Headers of an answer without which its body or status cannot be understood. */
const PASSED_HEADERS = ["Content-Type", "Content-Encoding", "Location"] as const;

/** A callee, with what is the same in all requests to it. */
interface Callee {
  readonly url: string;
  readonly upstream: Upstream;
  /** Request line and headers that do not change. */
  readonly start: string;
}

/** Calls other services, and keeps the connections to them. */
export class UpstreamClient {
  readonly #client = new Client();
  readonly #callees = new Map<string, Callee>();

  /**
   * One GET of `url` at a service, with everything read within `timeoutMs`. Redirects are handed back, not followed, and
   * the body comes as it was sent. Never throws: a failure is a value.
   *
   * `headers` are written as they are: values are our own, or were read from a head that was checked.
   */
  get(
    service: string,
    url: string,
    headers: readonly (readonly [name: string, value: string])[],
    timeoutMs: number,
  ): Promise<Reply> {
    const { promise, resolve } = Promise.withResolvers<Reply>();
    try {
      const { upstream, start } = this.#findCallee(service, url);
      let text = start;
      for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
      const bytes = Buffer.from(`${text}\r\n`, "latin1");
      upstream.call(bytes, bytes.length, performance.now() + timeoutMs, new Listener(resolve, timeoutMs));
    } catch (error) {
      // What cannot be sent: a name that makes no URL.
      resolve({ kind: "failure", reason: "connection_failed", message: errorText(error), isRepeated: false });
    }
    return promise;
  }

  /** Ends all calls and closes all connections. */
  close(): void {
    this.#client.close();
  }

  #findCallee(service: string, url: string): Callee {
    const known = this.#callees.get(service);
    if (known?.url === url) return known;
    const { host, pathname, search } = new URL(url);
    if (!isField(POSITION_HEADER, service)) throw new TypeError(`${JSON.stringify(service)} cannot be sent`);
    const made = {
      url,
      upstream: this.#client.upstream(url),
      start: `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\n${POSITION_HEADER}: ${service}\r\n`,
    };
    this.#callees.set(service, made);
    return made;
  }
}

class Listener implements CallListener {
  readonly #resolve: (reply: Reply) => void;
  readonly #timeoutMs: number;

  constructor(resolve: (reply: Reply) => void, timeoutMs: number) {
    this.#resolve = resolve;
    this.#timeoutMs = timeoutMs;
  }

  onReply(reply: HttpReply, isRepeated: boolean): void {
    const headers: [name: string, value: string][] = [];
    for (const name of PASSED_HEADERS) {
      const value = reply.header(name);
      if (value !== null) headers.push([name, value]);
    }
    this.#resolve({
      kind: "answer",
      status: reply.status,
      headers,
      ledger: reply.header(LEDGER_HEADER),
      traceResponse: reply.header(TRACE_RESPONSE_HEADER),
      body: reply.body,
      isRepeated,
    });
  }

  onFailure({ reason, message }: Failure, isRepeated: boolean): void {
    const text = reason === "timeout" ? `no answer within ${this.#timeoutMs} ms` : message;
    this.#resolve({ kind: "failure", reason, message: text, isRepeated });
  }
}
