import { prepareHead } from "./answer.ts";
import { ByteWriter } from "./byte-writer.ts";
import type { Exchange, Handler } from "./exchange.ts";
import { exposeMistake } from "./handler-error.ts";
import { SERVER_LIMITS, type ServerLimits } from "./limits.ts";
import { STOPPING, TOO_MANY_CONNECTIONS } from "./problem.ts";
import { type Rejection, Rejections } from "./rejections.ts";
import { ServerConnection } from "./server-connection.ts";
import type { ServerContext } from "./server-context.ts";
import { Sweeper } from "./sweeper.ts";

export interface ServerOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  /** @default SERVER_LIMITS */
  readonly limits?: Partial<ServerLimits>;
  /** Hears of each request that is rejected before the handler. @default nobody does, and it costs nothing */
  readonly onRejection?: ((rejection: Rejection) => void) | undefined;
}

export interface Server {
  readonly port: number;
  /** Connections that are open now. */
  readonly connections: number;
  /** What was turned away before the handler. */
  readonly rejections: Rejections;
  /** Of these: connections that were too many. */
  readonly refusedConnections: number;
  /** Requests that are being answered. */
  openExchanges(): Exchange[];
  /**
   * Accepts no more connections, closes those on which nothing is asked, and the others behind their answer, which
   * says `Connection: close`. Resolves when all are closed.
   */
  stopAccepting(): Promise<void>;
  /** Cuts all connections. */
  close(): Promise<void>;
}

const NOTHING = new Uint8Array(0);
const OVERLOADED = Buffer.concat([
  prepareHead(503, []),
  Buffer.from("Content-Length: 0\r\nConnection: close\r\n\r\n"),
]);

/**
 * HTTP/1.1 (https://www.rfc-editor.org/rfc/rfc9112) and 1.0 on a port of its own.
 * @throws {Error} With the code `EADDRINUSE`, `EACCES`, `EMFILE`, …, when the port cannot be had.
 */
export function startServer(options: ServerOptions, handler: Handler): Server {
  const limits: ServerLimits = { ...SERVER_LIMITS, ...options.limits };
  const connections = new Set<ServerConnection>();
  const sweeper = new Sweeper(
    Math.min(limits.headTimeoutMs, limits.bodyTimeoutMs, limits.idleTimeoutMs),
    () => {
      for (const connection of connections) connection.checkTime();
    },
  );
  const rejections = new Rejections(options.onRejection ?? null);
  const out = new ByteWriter(4096);
  const context: ServerContext = { handler, limits, sweeper, rejections, out, isStopping: false };
  const empty = Promise.withResolvers<void>();

  const listener = Bun.listen<ServerConnection | undefined>({
    hostname: options.host,
    port: options.port,
    // A caller may end its side behind its request and still wait for the answer.
    allowHalfOpen: true,
    socket: {
      open(socket) {
        if (connections.size >= limits.connections || context.isStopping) {
          const { remoteAddress: address, remotePort: port } = socket;
          rejections.add(context.isStopping ? STOPPING : TOO_MANY_CONNECTIONS, { address, port }, NOTHING);
          socket.end(OVERLOADED);
          return;
        }
        const connection = new ServerConnection(context, socket as Bun.Socket<ServerConnection>);
        socket.data = connection;
        connections.add(connection);
        sweeper.start();
      },
      data: (socket, chunk) => socket.data?.receive(chunk),
      drain: (socket) => socket.data?.drain(),
      end: (socket) => (socket.data === undefined ? void socket.end() : socket.data.endInput()),
      close(socket) {
        const connection = socket.data;
        if (connection === undefined) return;
        connection.forget();
        connections.delete(connection);
        if (connections.size > 0) return;
        sweeper.stop();
        if (context.isStopping) empty.resolve();
      },
      error: (_, error) => exposeMistake(error),
    },
  });

  const stopAccepting = () => {
    if (!context.isStopping) {
      context.isStopping = true;
      listener.stop(false);
      for (const connection of connections) connection.closeIfIdle();
      if (connections.size === 0) empty.resolve();
    }
    return empty.promise;
  };
  return {
    port: listener.port,
    get connections() {
      return connections.size;
    },
    rejections,
    get refusedConnections() {
      return rejections.count(TOO_MANY_CONNECTIONS);
    },
    openExchanges: () => [...connections].flatMap(({ openExchange }) => openExchange ?? []),
    stopAccepting,
    close() {
      const closed = stopAccepting();
      for (const connection of connections) connection.terminate();
      return closed;
    },
  };
}
