import { errorCode } from "../lib/errors.ts";
import { ClientConnection, type ConnectionOwner } from "./client-connection.ts";
import { explainConnectError } from "./connect-cause.ts";
import type { DeadlineTimer } from "./deadline-timer.ts";
import { CLIENT_CLOSED, type Failure, isHandshakeError, TIMEOUT, tlsFailure } from "./failure.ts";
import { exposeMistake } from "./handler-error.ts";
import type { ClientLimits } from "./limits.ts";
import type { CallListener } from "./reply.ts";
import type { Sweeper } from "./sweeper.ts";

/** A server to call. */
export interface Origin {
  /** A name or address, without brackets. */
  readonly host: string;
  readonly port: number;
  /** `null` for plain TCP. */
  readonly tls: TlsOptions | null;
}

export interface TlsOptions {
  /** PEM. @default the authorities that the runtime trusts */
  readonly ca?: string;
  /** PEM of the client's certificate and key. */
  readonly cert?: string;
  readonly key?: string;
  /** @default true */
  readonly rejectUnauthorized?: boolean;
}

/** What all upstreams of a client share. */
export interface ClientContext {
  readonly limits: ClientLimits;
  readonly sweeper: Sweeper;
  readonly deadlines: DeadlineTimer;
  isClosed: boolean;
}

/**
 * An attempt to connect cannot be canceled. At most this many are left behind by calls that timed out; a further call
 * waits for one of them.
 */
const MAX_ABANDONED = 16;

const HANDLERS: Bun.SocketHandler<ClientConnection> = {
  open: (socket) => socket.data.open(socket),
  data: (socket, chunk) => socket.data.receive(chunk),
  drain: (socket) => socket.data.drain(),
  close: (socket, error) => socket.data.close(error),
  connectError: (socket, error) => socket.data.failToConnect(error),
  error: (_, error) => exposeMistake(error),
};

/** The connections to one server, both busy and idle. */
export class Upstream implements ConnectionOwner {
  readonly origin: Origin;
  readonly limits: ClientLimits;
  readonly #context: ClientContext;
  readonly #handlers: Bun.SocketHandler<ClientConnection>;
  readonly #all: ClientConnection[] = [];
  /** Last in, first out, so that surplus connections become idle and expire. */
  readonly #idle: ClientConnection[] = [];
  /** Attempts to connect whose calls have timed out. */
  readonly #abandoned = new Set<ClientConnection>();
  /** {@link call} has not returned yet. */
  #isCalling = false;
  /** The pending search for a cause; it serves all attempts that fail in the meantime. */
  #explanation: Promise<Failure> | null = null;

  constructor(origin: Origin, context: ClientContext) {
    this.origin = origin;
    this.limits = context.limits;
    this.#context = context;
    this.#handlers = origin.tls === null ? HANDLERS : secureHandlers(origin.host, origin.tls);
  }

  /** Number of connections, including those being established. */
  get size(): number {
    return this.#all.length;
  }

  get idleSize(): number {
    return this.#idle.length;
  }

  /**
   * Sends a request and tells the listener its result, but never before this returns. Copies the bytes.
   * @param bytes a whole request, starting with its method, in the first `length` bytes; without `Connection`
   * @param deadlineMs a time of `performance.now()`
   * @param body follows `bytes`, for large bodies; it is not copied and must not change until the call has ended
   */
  call(
    bytes: Uint8Array,
    length: number,
    deadlineMs: number,
    listener: CallListener,
    body?: Uint8Array,
  ): void {
    this.#isCalling = true;
    if (this.#context.isClosed) {
      this.tellFailure(listener, CLIENT_CLOSED, false);
    } else {
      const idle = this.#idle.pop();
      if (idle === undefined) this.#connect(bytes, length, deadlineMs, listener, false, body);
      else idle.start(bytes, length, deadlineMs, listener, false, body);
      this.#context.deadlines.watch(deadlineMs);
    }
    this.#isCalling = false;
  }

  /**
   * All failures pass through here. The runtime may report one synchronously while it is asked to connect, but a caller
   * that counts a call after `call` returns would not have counted it yet.
   */
  tellFailure(listener: CallListener, failure: Failure, isRepeated: boolean): void {
    if (this.#isCalling) queueMicrotask(() => listener.onFailure(failure, isRepeated));
    else listener.onFailure(failure, isRepeated);
  }

  explain(error: unknown): Promise<Failure> {
    const { host, port } = this.origin;
    this.#explanation ??= explainConnectError(error, host, port).finally(() => {
      this.#explanation = null;
    });
    return this.#explanation;
  }

  keep(connection: ClientConnection): void {
    if (this.#abandoned.size > 0) this.#abandoned.delete(connection);
    connection.idleTick = this.#context.sweeper.tick;
    if (this.#idle.length < this.limits.idleConnections) this.#idle.push(connection);
    else connection.destroy();
  }

  forget(connection: ClientConnection): void {
    this.#abandoned.delete(connection);
    const last = this.#all.pop();
    if (last !== undefined && last !== connection) {
      this.#all[connection.index] = last;
      last.index = connection.index;
    }
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
  }

  repeat({ request, body, deadlineMs }: ClientConnection, listener: CallListener): void {
    this.#connect(request.bytes, request.length, deadlineMs, listener, true, body);
  }

  /** Ends the calls that are due; returns the earliest remaining deadline. */
  expire(nowMs: number): number {
    let next = Number.POSITIVE_INFINITY;
    for (const connection of this.#all.slice()) {
      if (!connection.hasCall) continue;
      if (connection.deadlineMs > nowMs) {
        next = Math.min(next, connection.deadlineMs);
      } else if (connection.isConnecting) {
        this.#abandoned.add(connection);
        connection.abandon(TIMEOUT);
      } else {
        connection.fail(TIMEOUT);
      }
    }
    return next;
  }

  /** Closes connections that were idle for too long, and marks old ones. */
  sweep(): void {
    const { sweeper, limits } = this.#context;
    const idleTicks = sweeper.ticksOf(limits.idleTimeoutMs);
    const ageTicks = sweeper.ticksOf(limits.maxAgeMs);
    for (const connection of this.#all.slice()) {
      if (sweeper.tick - connection.bornTick >= ageTicks) connection.isOld = true;
      if (connection.hasCall || connection.isConnecting) continue;
      if (connection.isOld || sweeper.tick - connection.idleTick >= idleTicks) connection.destroy();
    }
  }

  close(): void {
    for (const connection of this.#all.slice()) connection.fail(CLIENT_CLOSED);
  }

  #connect(
    bytes: Uint8Array,
    length: number,
    deadlineMs: number,
    listener: CallListener,
    isRepeated: boolean,
    body: Uint8Array | undefined,
  ): void {
    if (this.#abandoned.size >= MAX_ABANDONED) {
      for (const left of this.#abandoned) {
        this.#abandoned.delete(left);
        left.start(bytes, length, deadlineMs, listener, isRepeated, body);
        return;
      }
    }
    const connection = new ClientConnection(this);
    connection.index = this.#all.push(connection) - 1;
    connection.bornTick = this.#context.sweeper.tick;
    this.#context.sweeper.start();
    connection.start(bytes, length, deadlineMs, listener, isRepeated, body);
    this.#open(connection);
  }

  #open(connection: ClientConnection): void {
    const { host: hostname, port } = this.origin;
    try {
      const made = Bun.connect({ hostname, port, socket: this.#handlers, data: connection });
      // The socket's handlers get the error; the promise only repeats it.
      made.catch(() => {});
    } catch (error) {
      connection.failToConnect(error);
    }
  }
}

/**
 * The TLS session runs on top of a plain connection whose bytes are observed as well: see `TlsRecords`. A request is sent
 * only after the server's identity is verified.
 */
function secureHandlers(host: string, tls: TlsOptions): Bun.SocketHandler<ClientConnection> {
  const isChecked = tls.rejectUnauthorized ?? true;
  const session: Bun.SocketHandler<ClientConnection> = {
    ...HANDLERS,
    open: (socket) => socket.data.attach(socket),
    data: (socket, chunk) => socket.data.receiveDecrypted(chunk),
    handshake(socket, isTrusted, error) {
      if (isTrusted || (!isChecked && !isHandshakeError(error))) socket.data.open(socket);
      // The server closed or reset the connection: `close` reports which.
      else if (errorCode(error) !== "ECONNRESET") socket.data.fail(tlsFailure(error));
    },
    error(socket, error) {
      if (errorCode(error) === undefined) exposeMistake(error);
      else socket.data.fail(tlsFailure(error));
    },
  };
  return {
    ...HANDLERS,
    open(socket) {
      const { data } = socket;
      try {
        socket.upgradeTLS({ data, tls: { serverName: host, ...tls }, socket: session });
      } catch (error) {
        data.fail(tlsFailure(error));
        socket.terminate();
      }
    },
    data: (socket, chunk) => socket.data.noteRecords(chunk),
    drain: () => {},
    // The TLS session is notified next.
    close: () => {},
  };
}
