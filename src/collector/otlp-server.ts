import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { errorCode } from "../lib/errors.ts";
import { respondError } from "./response.ts";

/** A port that is listened on. */
export interface Listener {
  readonly port: number;
  /** Requests that are not answered yet. */
  readonly pendingRequests: number;
  /** Accepts no more connections; `isNow` closes those that there are. */
  stop(isNow?: boolean): Promise<void>;
}

type Respond = (request: Request) => Promise<Response>;

/**
 * Listens where OTLP exporters look for a collector. Many of them speak gRPC unless told otherwise, and get an answer that
 * says nothing to people. The runtime's own server answers HTTP/2 with 400 before anybody sees it; Node's tells.
 * @param onGrpc is told of each connection that begins with the preface of HTTP/2 (RFC 9113, 3.4)
 * @throws {Error} `EADDRINUSE` and the like
 */
export function listenForOtlp(host: string, port: number, respond: Respond, onGrpc: () => void): Listener {
  let pendingRequests = 0;
  const server = createServer(async (incoming, outgoing) => {
    pendingRequests++;
    try {
      await answer(incoming, outgoing, respond);
    } catch {
      // The client has gone, or sent half of its body.
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
