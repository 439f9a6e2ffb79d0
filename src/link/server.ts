import { errorCode, errorText, UserError } from "../lib/errors.ts";
import { type Handler, jsonResponse, type LinkRequest } from "./exchange.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** The flag that sets the port, for messages. @default "--port" */
  readonly portFlag?: string;
  /** Connections on which nothing happens for so many seconds are closed. @default 60 */
  readonly idleTimeoutS?: number;
}

export interface Server {
  /** Where others on this machine reach it, without a slash at the end. */
  readonly url: string;
  readonly port: number;
  /**
   * Stops accepting connections and closes those on which nothing is asked. Resolves when the answers to all requests
   * in flight are written.
   */
  stopAccepting(): Promise<void>;
  /** Closes all connections. */
  close(): Promise<void>;
}

/** Bodies are never asked for; a connection that sends more than this is closed. */
const MAX_BODY_BYTES = 1024 * 1024;
const IDLE_TIMEOUT_S = 60;

/**
 * HTTP/1.1 in front of a handler, which is made when the port is known.
 * @throws {UserError} `port-busy`, `limit-reached`
 */
export function startServer(options: ServerOptions, createHandler: (port: number) => Handler): Server {
  const { idleTimeoutS = IDLE_TIMEOUT_S } = options;
  let handler: Handler = () => jsonResponse(503, { message: "starting" });
  let server: Bun.Server<undefined>;
  try {
    server = Bun.serve({
      hostname: options.host,
      port: options.port,
      idleTimeout: idleTimeoutS,
      maxRequestBodySize: MAX_BODY_BYTES,
      async fetch(request, bun) {
        // A link may wait for those below it longer than a connection may be idle. The limit has to be set again, as
        // Bun keeps it for the connection and not for the request.
        bun.timeout(request, 0);
        const response = await handler(readRequest(request, bun));
        bun.timeout(request, idleTimeoutS);
        return new Response(response.body, {
          status: response.status,
          headers: response.headers as [string, string][],
        });
      },
      error: () => {
        const { status, headers, body } = jsonResponse(500, { message: "Internal Server Error" });
        return new Response(body, { status, headers: headers as [string, string][] });
      },
    });
  } catch (error) {
    throw describeListenError(error, options);
  }
  const port = server.port ?? options.port;
  handler = createHandler(port);
  return {
    url: `http://${formatHost(options.host)}:${port}`,
    port,
    stopAccepting: () => server.stop(false),
    close: () => server.stop(true),
  };
}

function readRequest(request: Request, server: Bun.Server<undefined>): LinkRequest {
  const target = readTarget(request.url);
  const query = target.indexOf("?");
  return {
    method: request.method,
    path: query === -1 ? target : target.slice(0, query),
    target,
    header: (name) => request.headers.get(name),
    peer: server.requestIP(request),
  };
}

/** Path and query of a request's URL, which is the bare path where `Host` is absent (HTTP/1.0) or no host. */
export function readTarget(url: string): string {
  if (url.startsWith("/")) return url;
  const start = url.indexOf("/", url.indexOf("://") + 3);
  const end = url.indexOf("#", start);
  return url.slice(start, end === -1 ? undefined : end);
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
