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
  /** 0 chooses a free port. */
  readonly port: number;
  /** @default SERVER_LIMITS */
  readonly limits?: Partial<ServerLimits>;
  /** Called for each request that is rejected before the handler. @default none, at no cost */
  readonly onRejection?: ((rejection: Rejection) => void) | undefined;
}

export interface Server {
  readonly port: number;
  /** Number of open connections. */
  readonly connections: number;
  /** Requests and connections rejected before the handler. */
  readonly rejections: Rejections;
  /** Number of rejected connections that exceeded the limit. */
  readonly refusedConnections: number;
  /** Requests that are being answered. */
  openExchanges(): Exchange[];
  /**
   * Stops accepting connections, closes idle ones, and closes the others after their answer, which carries
   * `Connection: close`. Resolves when all are closed.
   */
  stopAccepting(): Promise<void>;
  /** Closes all connections immediately. */
  close(): Promise<void>;
}

const NOTHING = new Uint8Array(0);
const OVERLOADED = Buffer.concat([
  prepareHead(503, []),
  Buffer.from("Content-Length: 0\r\nConnection: close\r\n\r\n"),
]);

/**
 * Serves HTTP/1.1 (https://www.rfc-editor.org/rfc/rfc9112) and 1.0 on a port of its own.
 * @throws {Error} with a code such as `EADDRINUSE`, `EACCES` or `EMFILE`, if it cannot listen on the port
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
    // A caller may end its side after its request and still wait for the answer.
    allowHalfOpen: true,
    socket: socketHandlers(context, connections, empty.resolve),
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

/** @param onEmpty called when the server stops and its last connection has closed */
function socketHandlers(
  context: ServerContext,
  connections: Set<ServerConnection>,
  onEmpty: () => void,
): Bun.SocketHandler<ServerConnection | undefined> {
  const { limits, rejections, sweeper } = context;
  return {
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
      if (context.isStopping) onEmpty();
    },
    error: (_, error) => exposeMistake(error),
  };
}
