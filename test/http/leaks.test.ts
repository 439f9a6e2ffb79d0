import { heapStats } from "bun:jsc";
import { expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { Client } from "../../src/http/client.ts";
import { startServer } from "../../src/http/server.ts";
import { rawAnswer, startRawServer } from "../helpers/raw-http.ts";
import { RawCaller } from "./peer.ts";

const countFiles = () => (process.platform === "linux" ? readdirSync("/proc/self/fd").length : 0);

/** Waits until the kernel and the runtime have closed their files. */
async function settleFiles(expected: number): Promise<number> {
  for (let i = 0; i < 300 && countFiles() > expected; i++) await Bun.sleep(10);
  return countFiles();
}

/** Counts the objects of connections: sockets, buffers, header positions. */
function countObjects(): number {
  Bun.gc(true);
  const { TCPSocket = 0, Uint8Array: bytes = 0, Int32Array: positions = 0 } = heapStats().objectTypeCounts;
  return TCPSocket + bytes + positions;
}

test("an upstream that fails in every way leaks neither file descriptors nor memory, and is used again", async () => {
  const before = countFiles();
  let turn = 0;
  let isWell = false;
  const server = await startRawServer((socket) => {
    const answers: (() => void)[] = [
      () => void socket.write(rawAnswer(200, "ok")),
      () => void socket.resetAndDestroy(),
      () => void socket.end("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
      () => void socket.write("garbage\r\n\r\n"),
      () => void socket.write(rawAnswer(200, "ok") + rawAnswer(200, "again")),
      () => void socket.write(`HTTP/1.1 200 OK\r\nA: ${"b".repeat(100_000)}`),
      () => void socket.destroy(),
      () => {},
    ];
    answers[isWell ? 0 : turn++ % answers.length]?.();
  });
  const objectsBefore = countObjects();
  const client = new Client();
  const failAll = async () => {
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 16 }, () => client.request(server.url, { timeoutMs: 20 })));
    }
  };
  await failAll();
  await failAll();
  isWell = true;
  expect(await client.request(server.url, { timeoutMs: 1000 })).toMatchObject({ status: 200 });
  expect(client.upstream(server.url).size).toBeLessThan(20);
  client.close();
  await server[Symbol.asyncDispose]();
  expect(await settleFiles(before)).toBeLessThanOrEqual(before);
  // Of 640 calls, most had a connection of their own.
  for (let i = 0; i < 100 && countObjects() > objectsBefore + 20; i++) await Bun.sleep(10);
  expect(countObjects()).toBeLessThanOrEqual(objectsBefore + 20);
}, 20_000);

test("callers that misbehave in every way leak neither file descriptors nor connections", async () => {
  const before = countFiles();
  const server = startServer({ host: "127.0.0.1", port: 0 }, (exchange) =>
    exchange.answer({ status: 200, headers: [], body: "ok" }),
  );
  const sendings = [
    "",
    "GET / HT",
    "garbage\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhalf",
  ];
  for (let i = 0; i < 20; i++) {
    const callers = await Promise.all(sendings.map(() => RawCaller.connect(server.port)));
    callers.forEach((caller, k) => {
      caller.send(sendings[k] ?? "");
    });
    await Bun.sleep(1);
    for (const caller of callers) {
      if (i % 2 === 0) caller.close();
      else caller.shutdown();
    }
  }
  for (let i = 0; i < 300 && server.connections > 0; i++) await Bun.sleep(10);
  expect(server.connections).toBe(0);
  await server.close();
  expect(await settleFiles(before)).toBeLessThanOrEqual(before);
}, 20_000);

/** Listens without accepting connections: once its queue is full, the kernel does not answer attempts to connect. */
const DEAF_SERVER = `
import socket, time
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
listener.listen(0)
print(listener.getsockname()[1], flush=True)
time.sleep(60)`;

test.skipIf(process.platform !== "linux" || Bun.which("python3") === null)(
  "calls to a server that accepts no connections end at their deadline, and attempts to connect do not pile up",
  async () => {
    const deaf = Bun.spawn(["python3", "-c", DEAF_SERVER], { stdout: "pipe" });
    const { value } = await deaf.stdout.getReader().read();
    const url = `http://127.0.0.1:${new TextDecoder().decode(value).trim()}/`;
    const client = new Client();
    for (let i = 0; i < 5; i++) {
      const calls = Array.from({ length: 10 }, () => client.request(url, { timeoutMs: 40 }));
      for (const outcome of await Promise.all(calls)) expect(outcome).toMatchObject({ reason: "timeout" });
    }
    expect(client.upstream(url).size).toBeLessThan(16 + 2 * 10);
    client.close();
    expect(client.upstream(url).size).toBe(0);
    deaf.kill();
  },
);
