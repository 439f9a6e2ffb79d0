import { connect, createServer, type Socket } from "node:net";

/** Starts a server without any HTTP: `onData` gets each chunk of bytes of a connection. */
export interface RawServer {
  readonly url: string;
  readonly connections: number;
  [Symbol.asyncDispose](): Promise<void>;
}

export async function startRawServer(onData: (socket: Socket, text: string) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    connections++;
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => {});
    socket.on("data", (bytes) => onData(socket, bytes.toString("latin1")));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  const port = typeof address === "object" ? (address?.port ?? 0) : 0;
  return {
    url: `http://127.0.0.1:${port}`,
    get connections() {
      return connections;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Returns a complete answer with this body. */
export function rawAnswer(status: number, body: string, headers: readonly string[] = []): string {
  const head = [`HTTP/1.1 ${status} X`, `Content-Length: ${body.length}`, ...headers];
  return `${head.join("\r\n")}\r\n\r\n${body}`;
}

/** A connection on which a test writes arbitrary bytes. */
export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far. */
  readonly text: () => string;
  /** Resolves when the received text matches. Rejects if the connection ends first. */
  waitFor(pattern: RegExp): Promise<string>;
  /** Resolves to everything received once the other side has closed. */
  readonly closed: Promise<string>;
}

export async function openRaw(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let text = "";
  let isClosed = false;
  const waiting = new Set<() => void>();
  const wake = () => {
    for (const resolve of waiting) resolve();
    waiting.clear();
  };
  socket.on("data", (bytes) => {
    text += bytes.toString("latin1");
    wake();
  });
  socket.on("error", () => {});
  const closed = new Promise<string>((resolve) => {
    socket.on("close", () => {
      isClosed = true;
      wake();
      resolve(text);
    });
  });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return {
    socket,
    text: () => text,
    closed,
    async waitFor(pattern) {
      while (!pattern.test(text)) {
        if (isClosed) throw new Error(`closed before ${pattern}: ${JSON.stringify(text.slice(0, 500))}`);
        await new Promise<void>((resolve) => waiting.add(resolve));
      }
      return text;
    },
  };
}

/** Returns the head of a GET request. */
export function rawGet(path: string, headers: readonly string[] = []): string {
  return `${[`GET ${path} HTTP/1.1`, "Host: test", ...headers].join("\r\n")}\r\n\r\n`;
}

/** Sends bytes and returns the status line of the answer; `null` if the connection closes without one. */
export async function statusOf(url: string, bytes: string | Uint8Array): Promise<number | null> {
  const connection = await openRaw(url);
  connection.socket.write(bytes);
  try {
    const text = await connection.waitFor(/^HTTP\/1\.1 \d{3}/);
    return Number(text.slice(9, 12));
  } catch {
    return null;
  } finally {
    connection.socket.destroy();
  }
}
