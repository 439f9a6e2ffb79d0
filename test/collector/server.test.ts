import { expect, test } from "bun:test";
import { startCollector } from "../../src/collector/server.ts";
import { UserError } from "../../src/lib/errors.ts";
import { makeChain, newTraceId } from "./spans.ts";

const HOST = "127.0.0.1";

function failure(start: () => unknown): UserError {
  try {
    start();
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return error as UserError;
  }
  throw new Error("it started");
}

test("a collector with port 0 listens on a free port and reports it", async () => {
  const collector = startCollector({ host: HOST, port: 0 });
  expect(collector.url).toBe(`http://127.0.0.1:${collector.port}`);
  expect((await fetch(`${collector.url}/health`)).status).toBe(200);
  await collector.stop();
});

test("a collector on all addresses has a URL that can be opened", async () => {
  const collector = startCollector({ host: "0.0.0.0", port: 0 });
  expect(collector.url).toStartWith("http://127.0.0.1:");
  await collector.stop();
});

test("a busy port is a UserError with a hint", async () => {
  const collector = startCollector({ host: HOST, port: 0 });
  const error = failure(() => startCollector({ host: HOST, port: collector.port }));
  expect(error.code).toBe("port-busy");
  expect(error.message).toBe(`cannot listen on 127.0.0.1:${collector.port}: another process uses the port`);
  expect(error.hint).toContain("--port 0 chooses a free port");
  await collector.stop();
});

test.each(["192.0.2.1", "no.such.host.invalid"])(
  "an address of another machine is a UserError: %s",
  (host) => {
    expect(failure(() => startCollector({ host, port: 0 })).code).toBe("port-busy");
  },
);

test("`maxSpans` bounds the store", async () => {
  const collector = startCollector({ host: HOST, port: 0, maxSpans: 10 });
  const start = Date.now() - 100;
  for (let index = 0; index < 4; index++) {
    const body = JSON.stringify(makeChain(newTraceId(), 3, start + index));
    expect((await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body })).status).toBe(202);
  }
  expect(collector.store.counts()).toMatchObject({ traces: 2, spans: 10, evictedSpans: 10 });
  await collector.stop();
});

test("stopping answers the request in flight, closes idle connections and frees the port", async () => {
  const collector = startCollector({ host: HOST, port: 0 });
  const { promise: idleClosed, resolve: closeIdle } = Promise.withResolvers<void>();
  const { promise: idleAnswered, resolve: answerIdle } = Promise.withResolvers<void>();
  const idle = await Bun.connect({
    hostname: HOST,
    port: collector.port,
    socket: { data: () => answerIdle(), close: () => closeIdle() },
  });
  idle.write("GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await idleAnswered;
  const body = JSON.stringify(makeChain(newTraceId(), 3, Date.now()));
  const { promise: answer, resolve } = Promise.withResolvers<string>();
  const socket = await Bun.connect({
    hostname: HOST,
    port: collector.port,
    socket: { data: (_, data) => resolve(data.toString()), close: () => resolve("closed without an answer") },
  });
  socket.write(`POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n[`);
  await Bun.sleep(50);
  const stopped = collector.stop();
  // An idle connection closes without waiting for the request in flight.
  await idleClosed;
  socket.write(body.slice(1));
  expect(await answer).toStartWith("HTTP/1.1 202 Accepted");
  await stopped;
  expect(collector.store.counts().spans).toBe(5);
  await startCollector({ host: HOST, port: collector.port }).stop();
});

test("stopping does not wait for a request that never ends", async () => {
  const collector = startCollector({ host: HOST, port: 0 });
  const { promise: closed, resolve } = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: HOST,
    port: collector.port,
    socket: { data() {}, close: () => resolve() },
  });
  socket.write("POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n[");
  await Bun.sleep(50);
  await collector.stop();
  await closed;
});
