import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorCode } from "../lib/errors.ts";
import { respondError } from "./response.ts";

/** A listening server. */
export interface Listener {
  readonly port: number;
  /** Requests in flight. */
  readonly pendingRequests: number;
  /** Stops accepting connections; `isNow` also closes the existing ones. */
  stop(isNow?: boolean): Promise<void>;
}

type Respond = (request: Request) => Promise<Response>;

/**
 * Listens on the port where OTLP exporters expect a collector. Many of them speak gRPC by default, and would get an
 * answer that explains nothing. Bun's server answers HTTP/2 with 400 before our code sees it; Node's server reports it.
 * @param onGrpc called for each connection that starts with the HTTP/2 preface (RFC 9113, 3.4)
 * @throws {Error} `EADDRINUSE` and the like
 */
export function listenForOtlp(host: string, port: number, respond: Respond, onGrpc: () => void): Listener {
  let pendingRequests = 0;
  const server = createServer(async (incoming, outgoing) => {
    pendingRequests++;
    try {
      await answer(incoming, outgoing, respond);
    } catch {
      // The client disconnected, perhaps in the middle of its body.
      outgoing.destroy();
    } finally {
      pendingRequests--;
    }
  });
  server.keepAliveTimeout = IDLE_TIMEOUT_MS;
  server.on("clientError", (error: Error, socket: Socket) => {
    if (errorCode(error) === HTTP_2) onGrpc();
    socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
  });
  let failure: Error | undefined;
  server.on("error", (error) => {
    failure = error;
  });
  server.listen(port, host);
  const address = server.address() as AddressInfo | null;
  if (address === null) throw failure ?? Object.assign(new Error("in use"), { code: "EADDRINUSE" });
  return {
    port: address.port,
    get pendingRequests() {
      return pendingRequests;
    },
    stop(isNow = false) {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeIdleConnections();
      if (!isNow) return closed;
      server.closeAllConnections();
      return Promise.resolve();
    },
  };
}

const HTTP_2 = "HPE_PAUSED_H2_UPGRADE";
const IDLE_TIMEOUT_MS = 120_000;

async function answer(incoming: IncomingMessage, outgoing: ServerResponse, respond: Respond): Promise<void> {
  const response = await respondTo(incoming, respond);
  outgoing.writeHead(response.status, Object.fromEntries(response.headers));
  if (response.body === null || incoming.method === "HEAD") outgoing.end();
  else await pipeline(Readable.fromWeb(response.body as never), outgoing);
}

async function respondTo(incoming: IncomingMessage, respond: Respond): Promise<Response> {
  const { method = "GET", rawHeaders } = incoming;
  const url = `http://${incoming.headers.host || "localhost"}${incoming.url}`;
  if (!URL.canParse(url)) return respondError(400, "Expected a path and a Host header with a host name.");
  const headers = new Headers();
  for (let index = 0; index < rawHeaders.length; index += 2)
    headers.append(rawHeaders[index] as string, rawHeaders[index + 1] as string);
  const body = method === "GET" || method === "HEAD" ? null : (Readable.toWeb(incoming) as never);
  return respond(new Request(url, { method, headers, body, duplex: "half" } as RequestInit));
}
