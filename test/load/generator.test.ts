import { heapStats } from "bun:jsc";
import { describe, expect, spyOn, test } from "bun:test";
import { type Load, type LoadOptions, startLoad } from "../../src/load/generator.ts";
import { LEDGER_HEADER } from "../../src/trace/ledger.ts";
import type { LedgerRecord } from "../../src/trace/ledger-record.ts";
import { newRunId, RunIds } from "../../src/trace/run.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { freePort } from "../helpers/free-port.ts";
import { rawAnswer, startRawServer } from "../helpers/raw-http.ts";

/** A load in even steps, of which a test says only what matters to it. */
function begin(options: Partial<LoadOptions> & { readonly url: string; readonly intervalMs?: number }) {
  const { intervalMs = 1, ...rest } = options;
  const perSecond = 1000 / intervalMs;
  return startLoad({
    method: "GET",
    headers: [],
    body: null,
    pace: {
      kind: "open",
      rate: { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 },
      arrivals: "constant",
    },
    connections: 1024,
    timeoutMs: 5000,
    warmUpMs: 0,
    durationMs: null,
    maxRequests: null,
    ids: new RunIds(newRunId()),
    sampleShare: 1,
    randomOf: () => Math.random,
    ...rest,
  });
}

/** A server that records when requests arrive, and answers as a test tells it to. */
function startServer(answer: (index: number) => Response | Promise<Response> = () => new Response("ok")) {
  const arrivalsMs: number[] = [];
  const contexts: (string | null)[] = [];
  const { promise: answered, resolve } = Promise.withResolvers<void>();
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      arrivalsMs.push(performance.now());
      contexts.push(request.headers.get("traceparent"));
      const response = await answer(arrivalsMs.length - 1);
      resolve();
      return response;
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    arrivalsMs,
    contexts,
    answered,
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

describe("pace", () => {
  test("the first request is sent at once, however long the interval", async () => {
    await using server = startServer();
    const load = begin({ url: server.url, intervalMs: 3_600_000, timeoutMs: 1000 });
    await server.answered;
    await load.stop();
    expect(load.results).toMatchObject({ sent: 1, succeeded: 1, missed: 0 });
  });

  test("an interval longer than any timer does not cause a storm", async () => {
    await using server = startServer();
    using timers = spyOn(globalThis, "setTimeout");
    const load = begin({ url: server.url, intervalMs: 2 ** 32, timeoutMs: 2 ** 40 });
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
    const load = begin({ url: server.url, intervalMs: 10, timeoutMs: 5000, maxRequests: 20 });
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
    const load = begin({ url: server.url, intervalMs: 3, timeoutMs: 1000, maxRequests: 101 });
    await load.done;
    // A hundred intervals, none of which began early; that lateness does not add up is shown by the schedule.
    expect(performance.now() - startMs).toBeGreaterThan(299);
    expect(load.results.succeeded).toBe(101);
  });

  test("requests that were due while this process was suspended are all sent", async () => {
    await using server = startServer();
    const load = begin({ url: server.url, intervalMs: 5, timeoutMs: 1000, maxRequests: 40 });
    const untilMs = performance.now() + 100;
    while (performance.now() < untilMs);
    await load.done;
    expect(load.results).toMatchObject({ sent: 40, succeeded: 40, missed: 0 });
    // Half of them were due in that time and waited here, which is said.
    expect(load.results.latency.quantile(0.75)).toBeGreaterThan(20_000);
  });
});

test("latency counts from the moment a request was due: a stalled server affects all waiting requests", async () => {
  const startMs = performance.now();
  // Everything that arrives in the first 200 ms is answered only then.
  await using server = startServer(async () => {
    await Bun.sleep(Math.max(0, startMs + 200 - performance.now()));
    return new Response();
  });
  const load = begin({ url: server.url, intervalMs: 10, timeoutMs: 5000, maxRequests: 21 });
  await load.done;
  expect(load.results.latency.count).toBe(21);
  expect(load.results.latency.quantile(0.5) / 1000).toBeGreaterThan(80);
  expect(load.results.latency.quantile(1) / 1000).toBeGreaterThan(180);
});

describe("the end", () => {
  test("comes after the given number of requests", async () => {
    await using server = startServer();
    const load = begin({ url: server.url, intervalMs: 1, timeoutMs: 1000, maxRequests: 7 });
    await load.done;
    await Bun.sleep(10);
    expect(server.arrivalsMs.length).toBe(7);
    expect(load.results).toMatchObject({ sent: 7, succeeded: 7 });
  });

  test("stop begins no more requests and waits for those in flight", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using server = startServer(async () => {
      await release;
      return new Response();
    });
    const load = begin({ url: server.url, intervalMs: 5, timeoutMs: 5000 });
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

  test("stop waits no longer than its limit, and then requests without an answer fail", async () => {
    await using server = startServer((index) =>
      index < 2 ? new Response() : new Promise<Response>(() => {}),
    );
    const load = begin({ url: server.url, intervalMs: 5, timeoutMs: 60_000 });
    while (server.arrivalsMs.length < 5) await Bun.sleep(1);
    await load.stop(50);
    const { sent, succeeded, failures } = load.results;
    expect(succeeded).toBe(2);
    expect(Object.fromEntries(failures)).toEqual({ client_closed: sent - 2 });
    expect(load.isOver).toBe(true);
  });

  test("stopping twice or after the end is harmless", async () => {
    await using server = startServer();
    const load = begin({ url: server.url, intervalMs: 1, timeoutMs: 1000, maxRequests: 1 });
    await load.done;
    await Promise.all([load.stop(), load.stop()]);
    expect(load.results.sent).toBe(1);
  });
});

describe("failures are counted by kind:", () => {
  const failuresOf = async (url: string, maxRequests = 3, timeoutMs = 20_000) => {
    const load = begin({ url, intervalMs: 1, timeoutMs, maxRequests });
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
    expect(await failuresOf(server.url, 3, 100)).toEqual({ timeout: 3 });
  });

  test("a body that does not come in time", async () => {
    await using server = await startRawServer((socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc"),
    );
    expect(await failuresOf(server.url, 3, 100)).toEqual({ timeout: 3 });
  });

  test("refused", async () => {
    expect(await failuresOf(CLOSED_PORT)).toEqual({ connection_refused: 3 });
  });

  test("closed without an answer", async () => {
    await using server = await startRawServer((socket) => socket.end());
    expect(await failuresOf(server.url)).toEqual({ connection_reset: 3 });
  });

  test("a name that nobody knows", async () => {
    expect(await failuresOf("http://no-such-service.invalid", 1)).toEqual({ name_not_resolved: 1 });
  });
});

describe("connections", () => {
  test("requests that are due while all are busy are sent late, and their latency includes the wait", async () => {
    const { promise: release, resolve } = Promise.withResolvers<void>();
    await using server = startServer(async () => {
      await release;
      return new Response();
    });
    const load = begin({ url: server.url, intervalMs: 2, connections: 4, maxRequests: 30 });
    while (server.arrivalsMs.length < 4) await Bun.sleep(2);
    await Bun.sleep(150);
    expect(load.results).toMatchObject({ sent: 4, inFlight: 4 });
    resolve();
    await load.done;
    expect(load.results).toMatchObject({ sent: 30, succeeded: 30, missed: 0, maxInFlight: 4, delayed: 26 });
    expect(load.results.latency.min).toBeGreaterThan(50_000);
  });

  test("requests that were due but never sent at an unreachable rate are counted as missed", async () => {
    await using server = startServer(async () => {
      await Bun.sleep(50);
      return new Response();
    });
    const load = begin({ url: server.url, intervalMs: 1, connections: 2, durationMs: 500 });
    await load.done;
    const { sent, missed, succeeded } = load.results;
    expect(sent + missed).toBe(500);
    expect(sent).toBeLessThan(30);
    expect(succeeded).toBe(sent);
    expect(load.results.isRateReached).toBe(false);
  });

  test("a rate is not reached if all requests are sent, but too late", async () => {
    await using server = startServer(async () => {
      await Bun.sleep(50);
      return new Response();
    });
    const load = begin({ url: server.url, intervalMs: 1, connections: 2, maxRequests: 40 });
    await load.done;
    expect(load.results).toMatchObject({ sent: 40, missed: 0, isRateReached: false });
  });

  test("a rate is not reached if most requests are late, even if the last one is not", async () => {
    await using server = startServer(async () => {
      await Bun.sleep(12);
      return new Response();
    });
    const load = begin({ url: server.url, intervalMs: 10, connections: 1, maxRequests: 60 });
    await load.done;
    expect(load.results).toMatchObject({ sent: 60, missed: 0, isMostlyLate: true, isRateReached: false });
  });

  test("a rate far beyond what a machine can do does not hang and is not reported as reached", async () => {
    await using server = startServer();
    const load = begin({ url: server.url, intervalMs: 0.001, connections: 64, durationMs: 300 });
    await load.done;
    expect(load.results.sent + load.results.missed).toBe(300_000);
    expect(load.results).toMatchObject({ isRateReached: false, succeeded: load.results.sent });
  });

  test("a closed loop keeps exactly the given number of requests in flight", async () => {
    let open = 0;
    let most = 0;
    await using server = startServer(async () => {
      most = Math.max(most, ++open);
      await Bun.sleep(5);
      open--;
      return new Response();
    });
    const load = begin({ url: server.url, pace: { kind: "closed" }, connections: 3, maxRequests: 60 });
    await load.done;
    expect(load.results).toMatchObject({ sent: 60, succeeded: 60, maxInFlight: 3 });
    expect(most).toBe(3);
  });

  test("a closed loop against an unreachable server is not a storm, and continues when the server is there", async () => {
    const port = freePort();
    const load = begin({ url: `http://127.0.0.1:${port}`, pace: { kind: "closed" }, connections: 2 });
    await Bun.sleep(200);
    expect(load.results.sent).toBeLessThan(30);
    const server = Bun.listen({
      hostname: "127.0.0.1",
      port,
      socket: { data: (socket) => void socket.write(rawAnswer(200, "ok")) },
    });
    while (load.results.succeeded < 20) await Bun.sleep(5);
    server.stop(true);
    // It dies, and that is counted.
    const failed = load.results.failed;
    while (load.results.failed === failed) await Bun.sleep(5);
    await load.stop();
    expect(load.results.succeeded + load.results.failed).toBe(load.results.sent);
  });
});

test("the warm-up is sent and not counted", async () => {
  await using server = startServer();
  const load = begin({ url: server.url, intervalMs: 5, warmUpMs: 100, maxRequests: 10 });
  await load.done;
  expect(load.results).toMatchObject({ warmUp: 20, sent: 10, succeeded: 10 });
  expect(load.results.latency.count).toBe(10);
  expect(server.arrivalsMs.length).toBe(30);
});

test("the rate can be changed while it runs; 0 pauses", async () => {
  await using server = startServer();
  const load = begin({ url: server.url, intervalMs: 3_600_000 });
  await server.answered;
  load.setRate(500);
  while (load.results.sent < 20) await Bun.sleep(2);
  load.setRate(0);
  const { sent } = load.results;
  await Bun.sleep(50);
  expect(load.results.sent).toBe(sent);
  await load.stop();
  expect(load.results.succeeded).toBe(sent);
});

describe("trace context", () => {
  test("trace ids are those of the run, in order; the parent is their low half", async () => {
    await using server = startServer();
    const ids = new RunIds("00000000000000a7");
    const load = begin({ url: server.url, maxRequests: 5, pace: { kind: "closed" }, connections: 1, ids });
    await load.done;
    const expected = [0, 1, 2, 3, 4].map((i) => `00-${ids.traceId(i)}-${ids.traceId(i).slice(16)}-03`);
    expect(server.contexts).toEqual(expected);
  });

  test("the given share of requests asks to be recorded, and the ledger shows which", async () => {
    await using server = startServer();
    const records: LedgerRecord[] = [];
    const load = begin({
      url: server.url,
      maxRequests: 200,
      pace: { kind: "closed" },
      connections: 1,
      sampleShare: 0.25,
      randomOf: () => {
        let n = 0;
        return () => (n++ % 4) / 4;
      },
      onEnd: (record) => records.push(record),
    });
    await load.done;
    const flags = server.contexts.map((context) => context?.endsWith("-03"));
    expect(flags.filter(Boolean).length).toBe(50);
    expect(records.map(({ isSampled }) => isSampled)).toEqual(flags.map((flag) => flag === true));
  });
});

describe("the ledger record of a request", () => {
  const recordOf = async (respond: (text: string) => string, timeoutMs = 20_000) => {
    await using server = await startRawServer((socket, text) => socket.write(respond(text)));
    const records: LedgerRecord[] = [];
    const load = begin({
      url: server.url,
      maxRequests: 1,
      timeoutMs,
      onEnd: (record) => records.push(record),
    });
    await load.done;
    expect(records.length).toBe(1);
    return { record: records[0] as LedgerRecord, results: load.results };
  };

  test("has status and ledger of the answer", async () => {
    const header = `${LEDGER_HEADER}: 9-00000001fffffffe-2`;
    const { record } = await recordOf(() => rawAnswer(503, "no", [header]));
    const ledger = { count: 9, high: 1, low: 0xfffffffe, unknown: 2 };
    expect(record).toMatchObject({ sequence: 0, status: 503, ledger, isSampled: true, isBroken: false });
  });

  test("says when there was no answer, and when an answer has no ledger", async () => {
    expect((await recordOf(() => "", 100)).record).toMatchObject({ status: 0, ledger: null });
    expect((await recordOf(() => rawAnswer(200, "ok"))).record).toMatchObject({ status: 200, ledger: null });
  });

  test("says when the answer names another trace", async () => {
    const other = `traceresponse: 00-${"12".repeat(16)}--01`;
    const { record, results } = await recordOf(() => rawAnswer(200, "ok", [other]));
    expect(record.isBroken).toBe(true);
    expect(results.brokenContexts).toBe(1);
    const own = (text: string) => /traceparent: 00-(\w{32})/.exec(text)?.[1];
    const same = await recordOf((text) => rawAnswer(200, "ok", [`traceresponse: 00-${own(text)}--01`]));
    expect(same.record.isBroken).toBe(false);
  });
});

test("a request on a closed idle connection is repeated at most once, and counted", async () => {
  // Closed by the server after each answer, without a word.
  await using server = await startRawServer((socket) => socket.end(rawAnswer(200, "ok")));
  const load = begin({ url: server.url, pace: { kind: "closed" }, connections: 1, maxRequests: 50 });
  await load.done;
  expect(load.results.succeeded + load.results.failed).toBe(50);
  expect(load.results.succeeded).toBeGreaterThan(0);
});

test("no object is kept for a finished request", async () => {
  using server = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: (socket) => void socket.write(rawAnswer(200, "ok")) },
  });
  const url = `http://127.0.0.1:${server.port}`;
  // Referenced until the end, so that what a load keeps is counted.
  const loads: Load[] = [];
  const run = async (maxRequests: number) => {
    const load = begin({ url, pace: { kind: "closed" }, connections: 8, maxRequests });
    loads.push(load);
    await load.done;
    Bun.gc(true);
    return heapStats().objectCount;
  };
  const before = await run(5000);
  // A single object kept for each request would make 15,000 more.
  expect((await run(20_000)) - before).toBeLessThan(7500);
  expect(loads.map(({ results }) => results.succeeded)).toEqual([5000, 20_000]);
});

test("requests that became due while this process was suspended at the end are sent, but the rate is not reached", async () => {
  await using server = startServer();
  const load = begin({ url: server.url, intervalMs: 1, durationMs: 100 });
  const untilMs = performance.now() + 150;
  while (performance.now() < untilMs);
  await load.done;
  expect(load.results).toMatchObject({ sent: 100, missed: 0, succeeded: 100, isRateReached: false });
});
