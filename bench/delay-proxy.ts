import type { Socket } from "bun";

interface Pipe {
  other: Socket<Pipe> | null;
  /** Chunks that arrived before the other side was connected. */
  readonly early: Uint8Array[];
  rest: Uint8Array[];
}

/** Simulates a distant server: forwards bytes to a port of this machine and back, with a delay each way. */
export function startDelayProxy(port: number, roundTripMs: number): { readonly port: number; stop(): void } {
  const delayMs = roundTripMs / 2;
  const send = (socket: Socket<Pipe>, bytes: Uint8Array) => {
    const { rest } = socket.data;
    if (rest.length > 0) {
      rest.push(bytes);
      return;
    }
    const written = socket.write(bytes);
    if (written < bytes.length) rest.push(bytes.subarray(Math.max(0, written)));
  };
  const handlers: Bun.SocketHandler<Pipe> = {
    data(socket, chunk) {
      const bytes = new Uint8Array(chunk);
      setTimeout(() => {
        const { other, early } = socket.data;
        if (other === null) early.push(bytes);
        else send(other, bytes);
      }, delayMs);
    },
    drain(socket) {
      const waiting = socket.data.rest;
      socket.data.rest = [];
      for (const bytes of waiting) send(socket, bytes);
    },
    close(socket) {
      setTimeout(() => socket.data.other?.end(), delayMs);
    },
    error() {},
  };
  const server = Bun.listen<Pipe>({
    hostname: "127.0.0.1",
    port: 0,
    socket: {
      ...handlers,
      async open(socket) {
        socket.data = { other: null, early: [], rest: [] };
        const data: Pipe = { other: socket, early: [], rest: [] };
        const upstream = await Bun.connect<Pipe>({ hostname: "127.0.0.1", port, socket: handlers, data });
        socket.data.other = upstream;
        for (const bytes of socket.data.early) send(upstream, bytes);
      },
    },
  });
  return { port: server.port, stop: () => server.stop(true) };
}
