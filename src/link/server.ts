import type { Exchange, Handler } from "../http/exchange.ts";
import type { ServerLimits } from "../http/limits.ts";
import type { Rejection, Rejections } from "../http/rejections.ts";
import { type Server as HttpServer, startServer as startHttpServer } from "../http/server.ts";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import { MAX_REQUEST_BYTES } from "../topology/model.ts";
import { jsonResponse } from "./response.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The flag that sets the port, for messages. @default "--port" */
  readonly portFlag?: string;
  /** @default SERVER_LIMITS, but bodies as large as calls send them */
  readonly limits?: Partial<ServerLimits>;
  /** Hears of each request that is rejected before the handler. */
  readonly onRejection?: ((rejection: Rejection) => void) | undefined;
}

export interface Server {
  /** Where others on this machine reach it, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /** What was turned away before the handler. */
  readonly rejections: Rejections;
  /** From now on requests go to this handler; before they are answered with 503. */
  serve(handler: Handler): void;
  /** Requests that are being answered. */
  openExchanges(): Exchange[];
  /**
   * Stops accepting connections and closes those on which nothing is asked. Resolves when the answers to all requests
   * in flight are written and their connections closed.
   */
  stopAccepting(): Promise<void>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/**
 * HTTP/1.1 in front of a handler, which may be made when the port is known.
 * @throws {UserError} `port-busy`, `limit-reached`
 */
export function startServer(options: ServerOptions): Server {
  let handler: Handler = (exchange) => exchange.answer(jsonResponse(503, { message: "starting" }));
  const server = listen(options, (exchange) => handler(exchange));
  return {
    url: `http://${formatHost(options.host)}:${server.port}`,
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
    throw describeListenError(error, options);
  }
}

/** The name or address that reaches a listener: a wildcard address is reached over loopback. */
export function formatHost(host: string): string {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return host.includes(":") ? `[${host}]` : host;
}

function describeListenError(error: unknown, { host, port, portFlag = "--port" }: ServerOptions): UserError {
  const code = errorCode(error);
  if (code === "EADDRINUSE") {
    const hint = `Choose another with ${portFlag} (0 takes a free one), or stop the process that has it.`;
    return new UserError("port-busy", `port ${port} on ${host} is in use by another process`, hint, {
      cause: error,
    });
  }
  if (code === "EMFILE" || code === "ENFILE") {
    const hint = "Raise the limit with 'ulimit -n', or start fewer links.";
    return new UserError("limit-reached", "too many open files to listen on another port", hint, {
      cause: error,
    });
  }
  const message = `cannot listen on ${host} port ${port}: ${errorText(error)}`;
  return new UserError("port-busy", message, `Check --host and ${portFlag}.`, { cause: error });
}
