/**
 * The floor of a hop: sockets that send fixed bytes for every chunk that arrives, without reading it. As a
 * program it is one process of a chain: `bun bench/fixed-bytes.ts PORT NEXT REQUEST ANSWER`. With NEXT 0 it only
 * answers.
 */

const HOST = "127.0.0.1";

if (import.meta.main) {
  const [port, next, request = "", answer = ""] = process.argv.slice(2);
  if (next === "0") answerFixed(Number(port), Buffer.from(answer));
  else forwardFixed(Number(port), Number(next), Buffer.from(request), Buffer.from(answer));
}

/** @returns the port; with 0 the system picks one */
export function answerFixed(port: number, answer: Uint8Array): number {
  const socket: Bun.SocketHandler = { data: (caller) => void caller.write(answer) };
  return Bun.listen({ hostname: HOST, port, socket }).port;
}

/** Sends a fixed request to the next process for each chunk, and the fixed answer for each chunk from there. */
export function forwardFixed(port: number, next: number, request: Uint8Array, answer: Uint8Array): number {
  type Pair = { caller: Bun.Socket<unknown> | null };
  const idle: Bun.Socket<Pair>[] = [];
  const callee: Bun.SocketHandler<Pair> = {
    open: (socket) => void socket.write(request),
    data(socket) {
      const { caller } = socket.data;
      socket.data.caller = null;
      idle.push(socket);
      caller?.write(answer);
    },
  };
  const socket: Bun.SocketHandler = {
    data(caller) {
      const called = idle.pop();
      if (called === undefined) {
        Bun.connect({ hostname: HOST, port: next, socket: callee, data: { caller } });
        return;
      }
      called.data.caller = caller;
      called.write(request);
    },
  };
  return Bun.listen({ hostname: HOST, port, socket }).port;
}
