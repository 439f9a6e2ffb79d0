import { Agent as HttpAgent, type IncomingMessage, request as requestHttp } from "node:http";
import { Agent as HttpsAgent, request as requestHttps } from "node:https";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { Readable } from "node:stream";
import { connect as connectTls } from "node:tls";
import { checkServerName } from "./certificates.ts";
import type { ClientTls, IdentityHeaders } from "./credentials.ts";
import { opened, openTunnel, proxyAuthorization } from "./tunnel.ts";

export interface SocketRequest {
  readonly method: string;
  readonly headers: IdentityHeaders;
  readonly body?: string;
  readonly signal: AbortSignal;
}

type Dial = (done: (error: Error | null, socket?: Socket) => void) => void;

/**
 * An HTTP client on sockets of our own, for features that `fetch` lacks: repeated headers, SOCKS proxies, a proxy for loopback,
 * and Go's `NO_PROXY` rules. Connections are kept alive.
 */
export class SocketClient {
  readonly #server: URL;
  readonly #proxy: URL | null;
  #tls: ClientTls | null = null;
  #agent: HttpAgent | null = null;

  constructor(server: URL, proxy: URL | null) {
    this.#server = server;
    this.#proxy = proxy;
  }

  send(
    url: string,
    tls: ClientTls | null,
    { method, headers, body, signal }: SocketRequest,
  ): Promise<Response> {
    const { protocol, hostname, port, pathname, search, host } = new URL(url);
    const isPlain = protocol === "http:";
    // A plain request to a proxy carries the absolute URL (RFC 9112, section 3.2.2).
    const relay = isPlain && this.#proxy?.protocol.startsWith("http") ? this.#proxy : null;
    const authorization = relay === null ? null : proxyAuthorization(relay);
    const options = {
      method,
      hostname: hostname.replace(/^\[|\]$/g, ""),
      port,
      path: relay === null ? pathname + search : url,
      headers: {
        Host: host,
        ...(authorization === null ? {} : { "Proxy-Authorization": authorization }),
        ...headers,
      } as Record<string, string | string[]>,
      agent: this.#agentFor(tls),
      signal,
    };
    return new Promise((resolve, reject) => {
      const request = (isPlain ? requestHttp : requestHttps)(options, (answer) =>
        resolve(toResponse(answer)),
      );
      request.on("error", (error) => reject(signal.aborted ? signal.reason : error));
      request.end(body);
    });
  }

  #agentFor(tls: ClientTls | null): HttpAgent {
    if (this.#agent === null || tls !== this.#tls) {
      this.#agent?.destroy();
      const agent = tls === null ? new HttpAgent({ keepAlive: true }) : new HttpsAgent({ keepAlive: true });
      const dial: Dial = (done) => {
        this.#connect(tls).then(
          (socket) => done(null, socket),
          (error) => done(error),
        );
      };
      // The agent's only hook for connections, https://nodejs.org/api/http.html#agentcreateconnectionoptions-callback
      (agent as unknown as { createConnection: unknown }).createConnection = (
        _: unknown,
        done: Parameters<Dial>[0],
      ) => dial(done);
      this.#agent = agent;
      this.#tls = tls;
    }
    return this.#agent;
  }

  async #connect(tls: ClientTls | null): Promise<Socket> {
    const hostname = this.#server.hostname.replace(/^\[|\]$/g, "");
    const port = Number(this.#server.port) || (tls === null ? 80 : 443);
    const socket =
      this.#proxy === null
        ? await opened(connectTcp(port, hostname), "connect")
        : await openTunnel(this.#proxy, hostname, port, tls);
    if (tls === null) return socket;
    const { serverName = hostname, ca, ...rest } = tls;
    const secured = connectTls({
      socket,
      // SNI does not allow IP addresses: RFC 6066, section 3.
      ...(isIP(serverName) > 0 ? {} : { servername: serverName }),
      ...(ca === undefined ? {} : { ca: [ca].flat() }),
      ...rest,
      checkServerIdentity: (_, certificate) => checkServerName(serverName, certificate),
    });
    return opened(secured, "secureConnect");
  }
}

function toResponse(answer: IncomingMessage): Response {
  const { statusCode: status = 0, rawHeaders } = answer;
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string);
  const body = [204, 205, 304].includes(status)
    ? null
    : (Readable.toWeb(answer) as unknown as ReadableStream);
  if (body === null) answer.resume();
  return new Response(body, { status, headers });
}
