import { describe, expect, spyOn, test } from "bun:test";
import { startLoad } from "../../src/load/generator.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { startRawServer } from "../helpers/raw-http.ts";

/** A server that notes when requests come, and answers as a test says. */
function startServer(answer: (index: number) => Response | Promise<Response> = () => new Response("ok")) {
  const arrivalsMs: number[] = [];
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch() {
      arrivalsMs.push(performance.now());
      const response = await answer(arrivalsMs.length - 1);
      resolve();
      return response;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    arrivalsMs,
    answered,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

describe("pace", () => {
  test("the first request is sent at once, however long the interval", async () => {
    await using server = startServer();
    const load = startLoad({ url: server.url, intervalMs: 3_600_000, timeoutMs: 1000 });
    await server.answered;
    await load.stop();
    expect(load.results).toMatchObject({ sent: 1, succeeded: 1, missed: 0 });
  });

  test("an interval longer than a timer can be is no storm", async () => {
    await using server = startServer();
    using timers = spyOn(globalThis, "setTimeout");
    const load = startLoad({ url: server.url, intervalMs: 2 ** 32, timeoutMs: 2 ** 40 });
    await server.answered;
    await Bun.sleep(30);
    await load.stop();
    expect(load.results).toMatchObject({ sent: 1, succeeded: 1 });
    expect(timers.mock.calls.length).toBeLessThan(5);
  });

  test("requests begin at their times, not when the one before is answered", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using server = startServer(async () => {
      await release;
      return new Response();
    });
    const load = startLoad({ url: server.url, intervalMs: 10, timeoutMs: 5000, maxRequests: 20 });
    while (server.arrivalsMs.length < 20) await Bun.sleep(2);
    expect(load.results).toMatchObject({ sent: 20, succeeded: 0 });
    resolve();
    await load.done;
    expect(load.results.succeeded).toBe(20);
    const spread = (server.arrivalsMs.at(-1) ?? 0) - (server.arrivalsMs[0] ?? 0);
    expect(spread).toBeGreaterThanOrEqual(150);
  });

  test("the rate is kept: no drift from one request to the next", async () => {
    await using server = startServer();
    const startMs = performance.now();
    const load = startLoad({ url: server.url, intervalMs: 3, timeoutMs: 1000, maxRequests: 101 });
    await load.done;
    // A hundred intervals; timers are late by up to a millisecond each, which must not add up.
    expect(performance.now() - startMs).toBeWithin(299, 600);
    expect(load.results.succeeded).toBe(101);
  });

  test("requests that were due while this process stood still are sent, all of them", async () => {
    await using server = startServer();
    const load = startLoad({ url: server.url, intervalMs: 5, timeoutMs: 1000, maxRequests: 40 });
    const untilMs = performance.now() + 100;
    while (performance.now() < untilMs);
    await load.done;
    expect(load.results).toMatchObject({ sent: 40, succeeded: 40, missed: 0 });
    // Half of them were due in that time and waited here, which is said.
    expect(load.results.latency.quantile(0.75)).toBeGreaterThan(20_000);
  });
});

test("latency counts from the moment a request was due: a server that stalls is seen by all who wait", async () => {
  const startMs = performance.now();
  // Everything that arrives in the first 200 ms is answered only then.
  await using server = startServer(async () => {
    await Bun.sleep(Math.max(0, startMs + 200 - performance.now()));
    return new Response();
  });
  const load = startLoad({ url: server.url, intervalMs: 10, timeoutMs: 5000, maxRequests: 21 });
  await load.done;
  expect(load.results.latency.count).toBe(21);
  expect(load.results.latency.quantile(0.5) / 1000).toBeWithin(80, 190);
  expect(load.results.latency.quantile(1) / 1000).toBeGreaterThan(180);
});

describe("the end", () => {
  test("comes by itself after so many requests", async () => {
    await using server = startServer();
    const load = startLoad({ url: server.url, intervalMs: 1, timeoutMs: 1000, maxRequests: 7 });
    await load.done;
    await Bun.sleep(10);
    expect(server.arrivalsMs.length).toBe(7);
    expect(load.results).toMatchObject({ sent: 7, succeeded: 7 });
  });

  test("stop begins no more requests and waits for those under way", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using server = startServer(async () => {
      await release;
      return new Response();
    });
    const load = startLoad({ url: server.url, intervalMs: 5, timeoutMs: 5000 });
    while (server.arrivalsMs.length < 3) await Bun.sleep(1);
    let isStopped = false;
    const stopped = load.stop().then(() => {
      isStopped = true;
    });
    const sent = load.results.sent;
    await Bun.sleep(20);
    expect(isStopped).toBe(false);
    resolve();
    await stopped;
    await load.done;
    expect(load.results).toMatchObject({ sent, succeeded: sent });
  });

  test("stop twice, and after the end, is no harm", async () => {
    await using server = startServer();
    const load = startLoad({ url: server.url, intervalMs: 1, timeoutMs: 1000, maxRequests: 1 });
    await load.done;
    await Promise.all([load.stop(), load.stop()]);
    expect(load.results.sent).toBe(1);
  });
});

describe("failures are counted by kind:", () => {
  const failuresOf = async (url: string, maxRequests = 3) => {
    const load = startLoad({ url, intervalMs: 1, timeoutMs: 100, maxRequests });
    await load.done;
    const failed = [...load.results.failures.values()].reduce((sum, count) => sum + count, 0);
    expect(load.results.succeeded + failed).toBe(load.results.sent);
    expect(load.results.latency.count).toBe(load.results.sent);
    return Object.fromEntries(load.results.failures);
  };

  test("status codes", async () => {
    const statuses = [200, 404, 500, 502, 502, 302];
    await using server = startServer((index) => new Response("x", { status: statuses[index] ?? 0 }));
    expect(await failuresOf(server.url, 6)).toEqual({ 404: 1, 500: 1, 502: 2 });
  });

  test("time-out", async () => {
    await using server = startServer(() => new Promise<Response>(() => {}));
    expect(await failuresOf(server.url)).toEqual({ timeout: 3 });
  });

  test("a body that does not come in time", async () => {
    await using server = await startRawServer((socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
    );
    expect(await failuresOf(server.url)).toEqual({ timeout: 3 });
  });

  test("refused", async () => {
    expect(await failuresOf(CLOSED_PORT)).toEqual({ ECONNREFUSED: 3 });
  });

  test("closed without an answer", async () => {
    await using server = await startRawServer((socket) => socket.end());
    expect(await failuresOf(server.url)).toEqual({ ECONNRESET: 3 });
  });

  test("a name that nobody knows", async () => {
    expect(await failuresOf("http://no-such-service.invalid", 1)).toEqual({ ENOTFOUND: 1 });
  });
});

test("more than can be under way at once are missed, not queued", async () => {
  const { promise: release, resolve } = Promise.withResolvers<void>();
  let open = 0;
  // The fetch of this process opens 256 connections at most, unless the executable says otherwise.
  await using server = startServer(async () => {
    open++;
    await release;
    return new Response();
  });
  const load = startLoad({ url: server.url, intervalMs: 0.05, timeoutMs: 10_000 });
  while (load.results.missed < 100) await Bun.sleep(5);
  expect(load.results.sent).toBe(1024);
  resolve();
  await load.stop();
  expect(open).toBeGreaterThan(0);
  expect(load.results.succeeded).toBe(load.results.sent);
});
