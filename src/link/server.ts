import type { Exchange, Handler } from "../http/exchange.ts";
import type { ServerLimits } from "../http/limits.ts";
import type { Rejection, Rejections } from "../http/rejections.ts";
import { type Server as HttpServer, startServer as startHttpServer } from "../http/server.ts";
import { listenError, listenerUrl } from "../lib/listener.ts";
import { MAX_REQUEST_BYTES } from "../topology/model.ts";
import { jsonResponse } from "./response.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 chooses a free port. */
  readonly port: number;
  /** The flag that sets the port, for messages. @default "--port" */
  readonly portFlag?: string;
  /** @default SERVER_LIMITS, but with bodies as large as calls may send */
  readonly limits?: Partial<ServerLimits>;
  /** Called for each request that is rejected before the handler. */
  readonly onRejection?: ((rejection: Rejection) => void) | undefined;
}

export interface Server {
  /** The URL at which others on this machine reach it, without trailing slash. */
  readonly url: string;
  readonly port: number;
  /** Requests and connections rejected before the handler. */
  readonly rejections: Rejections;
  /** Sets the handler; until then requests are answered with 503. */
  serve(handler: Handler): void;
  /** Requests that are being answered. */
  openExchanges(): Exchange[];
  /**
   * Stops accepting connections and closes idle ones. Resolves when all requests in flight are answered and their
   * connections are closed.
   */
  stopAccepting(): Promise<void>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/**
 * An HTTP/1.1 server whose handler may be created after the port is known.
 * @throws {UserError} `port-busy`, `limit-reached`
 */
export function startServer(options: ServerOptions): Server {
  let handler: Handler = (exchange) => exchange.answer(jsonResponse(503, { message: "starting" }));
  const server = listen(options, (exchange) => handler(exchange));
  return {
    url: listenerUrl(options.host, server.port),
    port: server.port,
    rejections: server.rejections,
    serve(next) {
      handler = next;
    },
    openExchanges: () => server.openExchanges(),
    stopAccepting: () => server.stopAccepting(),
    close: () => server.close(),
  };
}

function listen(options: ServerOptions, handler: Handler): HttpServer {
  const { host, port, onRejection } = options;
  const limits = { bodyBytes: MAX_REQUEST_BYTES, ...options.limits };
  try {
    return startHttpServer({ host, port, limits, onRejection }, handler);
  } catch (error) {
    throw listenError(host, port, options.portFlag ?? "--port", error);
  }
}
