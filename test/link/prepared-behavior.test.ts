import { describe, expect, test } from "bun:test";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { startServer } from "../../src/http/server.ts";
import { randomSource } from "../../src/lib/random.ts";
import { BehaviorRun, PreparedBehavior } from "../../src/link/prepared-behavior.ts";
import { TokenBucket } from "../../src/link/rate-limit.ts";
import { type Role, rolesOf } from "../../src/link/roles.ts";
import { LinkStats } from "../../src/link/stats.ts";
import type { Behavior, ErrorRule, RetryPolicy } from "../../src/topology/model.ts";
import { DEFAULT_RETRY } from "../../src/topology/model.ts";
import { graphOf, startChain, type TestChain } from "../helpers/chain.ts";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { startLinkProcess } from "../helpers/link-process.ts";
import { openRaw, rawGet } from "../helpers/raw-http.ts";
import { startBackend } from "../helpers/zipkin-backend.ts";

function failing(fault: ErrorRule): Partial<Behavior> {
  return { errors: [fault] };
}

function statusesOf(responses: readonly Response[]): number[] {
  return responses.map(({ status }) => status).sort();
}

/** Resolves when no request is in flight in a link. */
function settled(chain: TestChain, name: string): Promise<true> {
  const { stats } = chain.link(name);
  return eventually(() => (stats.inFlight === 0 && stats.queued === 0 ? true : undefined));
}

async function metricOf(chain: TestChain, line: string): Promise<boolean> {
  return (await (await fetch(`${chain.url}/metrics`)).text()).split("\n").includes(line);
}

describe("a request that the topology resets", () => {
  const behavior = failing({ kind: "reset", rate: 1, after: null });

  test("ends with a connection reset before the first byte, a span with the cause, and a counter", async () => {
    await using chain = startChain(graphOf({ a: { behavior } }));
    const { socket, text } = await openRaw(chain.url);
    const code = new Promise((resolve) => {
      socket.on("error", (error: NodeJS.ErrnoException) => resolve(error.code));
      socket.on("end", () => resolve("end"));
    });
    socket.write(rawGet("/"));
    expect(await code).toBe("ECONNRESET");
    expect(text()).toBe("");
    const { stats } = chain.link("a");
    expect([stats.inFlight, stats.injected.get("reset"), stats.unanswered.get("reset")]).toEqual([0, 1, 1]);
    expect([stats.requests, stats.errors]).toEqual([1, 1]);
    expect(await metricOf(chain, 'chain_link_injected_errors_total{kind="reset"} 1')).toBe(true);
    expect(await metricOf(chain, 'chain_link_unanswered_requests_total{reason="reset"} 1')).toBe(true);
    const [span] = await chain.stop();
    expect(span?.tags).toMatchObject({
      error: "reset",
      "error.type": "reset",
      "chain_link.cause": "reset",
    });
    expect(span?.tags).not.toHaveProperty("http.status_code");
  });

  test("makes its caller answer 502 and count its spans as unknown in the ledger", async () => {
    await using chain = startChain(graphOf({ a: { calls: ["b"] }, b: { behavior } }));
    const response = await fetch(chain.url);
    expect(response.status).toBe(502);
    // A GET on a reused connection is sent twice, and on a new one once; each attempt counts.
    expect(response.headers.get("chain-link-ledger")).toMatch(/^2-[0-9a-f]{16}-[12]$/);
    const client = (await chain.stop()).find(({ kind }) => kind === "CLIENT");
    expect(client?.tags?.["error.type"]).toBe("connection_reset");
  });
});

describe("a request that is never answered", () => {
  const behavior = failing({ kind: "silence", rate: 1, after: null });

  test.each(["closes", "half-closes", "resets"] as const)(
    "ends with a span and a counter when the caller %s",
    async (how) => {
      await using chain = startChain(graphOf({ a: { behavior } }));
      const { stats } = chain.link("a");
      const { socket, text } = await openRaw(chain.url);
      socket.on("error", () => {});
      socket.write(rawGet("/"));
      await eventually(() => (stats.injected.get("silence") === 1 ? true : undefined));
      await Bun.sleep(20);
      expect([stats.inFlight, text()]).toEqual([1, ""]);
      if (how === "closes") socket.destroy();
      else if (how === "resets") socket.resetAndDestroy();
      else socket.end();
      await settled(chain, "a");
      expect(stats.unanswered.get("silence")).toBe(1);
      const [span] = await chain.stop();
      expect(span?.tags).toMatchObject({ error: "silence", "chain_link.cause": "silence" });
    },
  );

  test("lasts until the caller's deadline", async () => {
    await using chain = startChain(
      graphOf({ a: { calls: [{ service: "b", timeoutMs: 100 }] }, b: { behavior } }),
    );
    const response = await fetch(chain.url);
    expect(response.status).toBe(504);
    expect(response.headers.get("chain-link-ledger")).toMatch(/^2-[0-9a-f]{16}-1$/);
    await settled(chain, "b");
    expect(await chain.stop()).toHaveLength(3);
  });

  test("does not delay the stop of the link", async () => {
    await using chain = startChain(graphOf({ a: { behavior } }));
    const connections = await Promise.all(Array.from({ length: 5 }, () => openRaw(chain.url)));
    for (const { socket } of connections) {
      socket.on("error", () => {});
      socket.write(rawGet("/"));
    }
    const { stats } = chain.link("a");
    await eventually(() => (stats.inFlight === 5 ? true : undefined));
    expect(await chain.stop()).toHaveLength(5);
    expect([stats.inFlight, stats.unanswered.get("silence")]).toEqual([0, 5]);
  });
});

test("an error with `after` does not wait for the latency", async () => {
  const behavior: Partial<Behavior> = {
    latency: { kind: "fixed", value: 3_600_000, probability: 1 },
    errors: [{ kind: "status", rate: 1, status: 503, after: { kind: "fixed", value: 20 } }],
  };
  await using chain = startChain(graphOf({ a: { behavior } }));
  const startMs = performance.now();
  expect((await fetch(chain.url)).status).toBe(503);
  expect(performance.now() - startMs).toBeGreaterThanOrEqual(20);
  const [span] = await chain.stop();
  expect(span?.tags).toMatchObject({ "http.status_code": "503", "chain_link.cause": "status" });
});

describe("a concurrency limit", () => {
  /** A callee that answers only when a test tells it to. */
  async function startSlow() {
    const { promise, resolve } = Promise.withResolvers<void>();
    const server = startServer({ host: "127.0.0.1", port: 0 }, (exchange) => {
      void promise.then(() => exchange.answer({ status: 200, headers: [], body: "" }));
    });
    return { url: `http://127.0.0.1:${server.port}`, answer: resolve, stop: () => server.close() };
  }

  test("serves and queues as many requests as configured, and answers others with 503", async () => {
    const slow = await startSlow();
    const behavior: Partial<Behavior> = { concurrency: { limit: 3, queue: 2, waitMs: null } };
    await using chain = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }), {
      absent: ["b"],
      urls: { b: slow.url },
    });
    const { stats } = chain.link("a");
    const pending = Array.from({ length: 10 }, () => fetch(chain.url));
    await eventually(() => (stats.refused.get("queue_full") === 5 ? true : undefined));
    expect([stats.inFlight, stats.queued]).toEqual([5, 2]);
    expect(await metricOf(chain, "chain_link_requests_queued 2")).toBe(true);
    expect(await metricOf(chain, 'chain_link_refused_requests_total{reason="queue_full"} 5')).toBe(true);
    slow.answer();
    const responses = await Promise.all(pending);
    expect(statusesOf(responses)).toEqual([200, 200, 200, 200, 200, 503, 503, 503, 503, 503]);
    const refused = responses.find(({ status }) => status === 503);
    expect(await refused?.json()).toEqual({ message: "overloaded: the queue is full", service: "a" });
    expect(refused?.headers.get("chain-link-ledger")).toMatch(/^1-/);
    await settled(chain, "a");
    // Every slot is free again.
    expect(statusesOf(await Promise.all(Array.from({ length: 5 }, () => fetch(chain.url))))).toEqual([
      200, 200, 200, 200, 200,
    ]);
    await slow.stop();
  });

  test("answers 503 to a request that waited too long, and does not leak its slot", async () => {
    const slow = await startSlow();
    const behavior: Partial<Behavior> = { concurrency: { limit: 1, queue: 10, waitMs: 30 } };
    await using chain = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }), {
      absent: ["b"],
      urls: { b: slow.url },
    });
    const first = fetch(chain.url);
    await eventually(() => (chain.link("a").stats.inFlight === 1 ? true : undefined));
    const second = await fetch(chain.url);
    expect(second.status).toBe(503);
    expect(await second.json()).toEqual({
      message: "overloaded: the request waited in the queue for too long",
      service: "a",
    });
    slow.answer();
    expect((await first).status).toBe(200);
    expect((await fetch(chain.url)).status).toBe(200);
    await slow.stop();
  });

  test("frees its slots after failures of all kinds and after callers disconnect", async () => {
    const behavior: Partial<Behavior> = {
      concurrency: { limit: 2, queue: 100, waitMs: null },
      memory: { heldBytes: 0, requestBytes: 100_000 },
      errors: [
        { kind: "reset", rate: 0.3, after: null },
        { kind: "silence", rate: 0.3, after: null },
        { kind: "status", rate: 0.2, status: 500, after: null },
      ],
    };
    await using chain = startChain(graphOf({ a: { behavior } }), {
      link: { randomOf: () => Math.random },
    });
    const ask = async () => {
      const { socket, closed } = await openRaw(chain.url);
      socket.on("error", () => {});
      socket.write(rawGet("/", ["Connection: close"]));
      const timer = setTimeout(() => socket.destroy(), 30);
      await closed.catch(() => {});
      clearTimeout(timer);
    };
    await Promise.all(Array.from({ length: 60 }, ask));
    await settled(chain, "a");
    expect(chain.link("a").stats.requests).toBe(60);
    expect(await chain.stop()).toHaveLength(60);
  });
});

test("a rate limit admits a burst, tells others when to retry, and refills", async () => {
  const behavior: Partial<Behavior> = { rateLimit: { perSecond: 0.5, burst: 3, status: 429 } };
  await using chain = startChain(graphOf({ a: { behavior } }));
  const responses = await Promise.all(Array.from({ length: 10 }, () => fetch(chain.url)));
  const statuses = statusesOf(responses);
  expect(statuses.slice(0, 3)).toEqual([200, 200, 200]);
  // On a busy machine the bucket may have refilled a little in the meantime.
  const refused = responses.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThan(3);
  expect(refused[0]?.headers.get("retry-after")).toMatch(/^[12]$/);
  expect(await refused[0]?.json()).toEqual({ message: "too many requests", service: "a" });
  expect(chain.link("a").stats.refused.get("rate_limited")).toBe(refused.length);
  await eventually(async () => ((await fetch(chain.url)).status === 200 ? true : undefined));
  const span = (await chain.stop()).find(({ tags }) => tags?.["http.status_code"] === "429");
  expect(span?.tags?.["chain_link.cause"]).toBe("rate_limited");
});

test("a token bucket matches its definition", () => {
  const bucket = new TokenBucket({ perSecond: 10, burst: 2, status: 429 }, 0);
  const taken = [0, 0, 0, 99, 100, 150, 200, 5000, 5000, 5000].map((ms) => bucket.take(ms));
  expect(taken).toEqual([true, true, false, false, true, false, true, true, true, false]);
  expect(bucket.retryAfterSeconds).toBe(1);
});

test("a queued request that has already ended passes its slot on when it is admitted", async () => {
  const graph = graphOf({ a: { behavior: { concurrency: { limit: 1, queue: 9, waitMs: null } } } });
  const role = rolesOf(graph, () => () => 0.5).find("a") as Role;
  const conduct = new PreparedBehavior(role, 0);
  const stats = new LinkStats();
  const [first, gone, last] = [new BehaviorRun(conduct), new BehaviorRun(conduct), new BehaviorRun(conduct)];
  expect(await first.begin(stats, null)).toBe("serve");
  void gone.begin(stats, null);
  const waiting = last.begin(stats, null);
  gone.end();
  first.end();
  expect(await waiting).toBe("serve");
  last.end();
  last.end();
  expect(conduct.gate?.enter()).toBe("admitted");
  expect(stats.queued).toBe(0);
});

test("a starting link is not ready and answers 503 until its startup time has passed", async () => {
  await using chain = startChain(graphOf({ a: { behavior: { startupMs: 2500 } } }));
  const readiness = await fetch(`${chain.url}/readiness`);
  expect([readiness.status, await readiness.json()]).toEqual([503, { message: "starting" }]);
  const refused = await fetch(chain.url);
  expect([refused.status, await refused.json()]).toEqual([503, { message: "starting", service: "a" }]);
  await eventually(async () => ((await fetch(`${chain.url}/readiness`)).status === 200 ? true : undefined));
  expect((await fetch(chain.url)).status).toBe(200);
  expect(chain.link("a").stats.refused.get("starting")).toBe(1);
});

test("a slow start makes the first requests slower", async () => {
  const behavior: Partial<Behavior> = {
    latency: { kind: "fixed", value: 10, probability: 1 },
    slowStart: { durationMs: 3_600_000, factor: 10 },
  };
  await using chain = startChain(graphOf({ a: { behavior } }));
  await fetch(chain.url);
  const [span] = await chain.stop();
  expect(span?.duration).toBeGreaterThan(95_000);
});

describe("a size", () => {
  test("of a request makes the call a POST with a body of the drawn size", async () => {
    const request = { kind: "uniform", min: 1000, max: 200_000 } as const;
    const sizes: number[] = [];
    const methods = new Set<string>();
    const callee = startServer({ host: "127.0.0.1", port: 0 }, (exchange) => {
      sizes.push(exchange.body.length);
      methods.add(exchange.method);
      exchange.answer({ status: 200, headers: [], body: "" });
    });
    const draws = [0, 0.5, 0.999999];
    await using chain = startChain(graphOf({ a: { calls: [{ service: "b", request }] }, b: {} }), {
      absent: ["b"],
      urls: { b: `http://127.0.0.1:${callee.port}` },
      link: { randomOf: (name) => () => (name.endsWith("/request") ? (draws.shift() ?? 0) : 0.5) },
    });
    for (let count = 0; count < 3; count++) expect((await fetch(chain.url)).status).toBe(200);
    expect(sizes).toEqual([1000, 100_500, 200_000]);
    expect([...methods]).toEqual(["POST"]);
    const spans = await chain.stop();
    const client = spans.find(({ kind }) => kind === "CLIENT");
    expect(client).toMatchObject({ name: "http post", tags: { "http.method": "POST" } });
    await callee.close();
  });

  test("of the maximum passes between links", async () => {
    const request = { kind: "fixed", value: 2 ** 24 } as const;
    const behavior: Partial<Behavior> = { response: { kind: "fixed", value: 2 ** 26 } };
    const call = { service: "b", request, timeoutMs: 60_000 };
    await using chain = startChain(graphOf({ a: { calls: [call] }, b: { behavior } }));
    const response = await fetch(chain.url);
    expect(response.status).toBe(200);
    expect((await response.arrayBuffer()).byteLength).toBe(2 ** 26);
  });

  test("of an answer is the drawn one, and the answer is JSON", async () => {
    const draws = [0.1, 0.5, 0.9];
    const behavior: Partial<Behavior> = { response: { kind: "uniform", min: 0, max: 100_000 } };
    await using chain = startChain(graphOf({ a: { behavior } }), {
      link: { randomOf: () => () => draws.shift() ?? 0 },
    });
    const sizes: number[] = [];
    for (let count = 0; count < 3; count++) {
      const text = await (await fetch(chain.url)).text();
      sizes.push(text.length);
      expect(JSON.parse(text).message).toBe("You have reached the final chain link a");
    }
    expect(sizes).toEqual([10_000, 50_000, 90_000]);
  });
});

test("a sleep runs between calls, or concurrently with them", async () => {
  const sleep = { sleep: { kind: "fixed", value: 40 } } as const;
  await using chain = startChain(graphOf({ a: { calls: ["b", sleep, ["b", sleep], sleep] }, b: {} }));
  expect((await fetch(chain.url)).status).toBe(200);
  const spans = await chain.stop();
  const server = spans.find(({ kind, parentId }) => kind === "SERVER" && parentId === undefined);
  expect(server?.duration).toBeGreaterThanOrEqual(120_000);
  const [first, second] = spans.filter(({ kind }) => kind === "CLIENT");
  const gap = Math.abs((first?.timestamp ?? 0) - (second?.timestamp ?? 0));
  expect(gap).toBeGreaterThanOrEqual(40_000);
  expect(spans).toHaveLength(5);
});

test("a link whose steps are all sleeps gives the final answer", async () => {
  const sleep = { sleep: { kind: "fixed", value: 1 } } as const;
  await using chain = startChain(graphOf({ a: { calls: [sleep, [sleep, sleep]] } }));
  expect(await (await fetch(chain.url)).json()).toEqual({
    message: "You have reached the final chain link a",
  });
});

describe("retries", () => {
  /** Answers with the given statuses in turn, and keeps repeating the last one. */
  function startCallee(statuses: number[]) {
    let count = 0;
    const server = startServer({ host: "127.0.0.1", port: 0 }, (exchange) => {
      count++;
      const status = (statuses.length > 1 ? statuses.shift() : statuses[0]) ?? 200;
      exchange.answer({ status, headers: [], body: "" });
    });
    return {
      url: `http://127.0.0.1:${server.port}`,
      get count() {
        return count;
      },
      close: () => server.close(),
    };
  }

  function calling(url: string, retries: number, retry: Partial<RetryPolicy>): TestChain {
    const call = { service: "b", retries, retry: { ...DEFAULT_RETRY, ...retry } };
    return startChain(graphOf({ a: { calls: [call] }, b: {} }), { absent: ["b"], urls: { b: url } });
  }

  test("follow only the failures that the call names", async () => {
    for (const [on, statuses, expected] of [
      [["5xx"], [503, 200], 200],
      [["timeout"], [503, 200], 503],
      [[429], [429, 200], 200],
      [[429], [503, 200], 503],
      [["disconnect", 404], [404, 404, 200], 200],
    ] as const) {
      const callee = startCallee([...statuses]);
      await using chain = calling(callee.url, 2, { on });
      expect((await fetch(chain.url)).status).toBe(expected);
      await callee.close();
    }
  });

  test("wait for a random backoff that doubles", async () => {
    const callee = startCallee([500, 500, 500, 200]);
    await using chain = calling(callee.url, 3, { backoffMs: 40 });
    expect((await fetch(chain.url)).status).toBe(200);
    const starts = (await chain.stop())
      .filter(({ kind }) => kind === "CLIENT")
      .map(({ timestamp }) => timestamp ?? 0)
      .sort((a, b) => a - b);
    const gaps = starts.slice(1).map((start, index) => start - (starts[index] ?? 0));
    // Tests draw 0.5.
    expect(gaps).toHaveLength(3);
    for (const [index, gap] of gaps.entries()) expect(gap).toBeGreaterThanOrEqual(20_000 * 2 ** index - 500);
    expect(chain.link("a").stats.retries.get("b")).toBe(3);
    await callee.close();
  });

  test("of a callee that is down stay within their budget", async () => {
    const callee = startCallee([503]);
    await using chain = calling(callee.url, 3, { budget: { ratio: 0.2, minPerSecond: 0 } });
    for (let count = 0; count < 200; count++) expect((await fetch(chain.url)).status).toBe(503);
    // Without a budget there would be 800 requests. Older seconds leave the window together with their calls.
    expect(callee.count).toBeWithin(200, 241);
    const { stats } = chain.link("a");
    expect(stats.retries.get("b")).toBe(callee.count - 200);
    expect(stats.refusedRetries.get("b")).toBeGreaterThan(150);
    expect(await metricOf(chain, `chain_link_retries_total{service="b"} ${callee.count - 200}`)).toBe(true);
    await callee.close();
  });

  test("of several calls to one callee share a budget", async () => {
    const callee = startCallee([503]);
    const budget = { ratio: 0.5, minPerSecond: 0 };
    const call = { service: "b", retries: 3, retry: { ...DEFAULT_RETRY, budget } };
    const topology = graphOf({ a: { calls: [[call, call]] }, b: {} });
    await using chain = startChain(topology, { absent: ["b"], urls: { b: callee.url } });
    expect((await fetch(chain.url)).status).toBe(503);
    // Two requests allow one retry; a single request would allow none.
    expect(callee.count).toBe(3);
    await callee.close();
  });

  test("end when the link stops", async () => {
    const callee = startCallee([503]);
    await using chain = calling(callee.url, 5, { backoffMs: 3_600_000 });
    const pending = fetch(chain.url);
    await eventually(() => (callee.count === 1 ? true : undefined));
    await chain.link("a").stop({ drainMs: 0, graceMs: 200 });
    expect((await pending).status).toBe(503);
    expect(chain.link("a").stats.inFlight).toBe(0);
    await callee.close();
  });
});

describe("the same seed", () => {
  const behavior: Partial<Behavior> = {
    errors: [{ kind: "status", rate: 0.3, status: 500, after: null }],
    response: { kind: "uniform", min: 100, max: 1000 },
  };
  const call = { service: "b", probability: 0.5 };
  const answersOf = async (more: Partial<Behavior>, seed: string) => {
    await using chain = startChain(
      graphOf({ a: { behavior: { ...behavior, ...more }, calls: [call] }, b: {} }),
      {
        link: { randomOf: randomSource(seed) },
      },
    );
    const answers: string[] = [];
    for (let count = 0; count < 40; count++) {
      const response = await fetch(chain.url);
      const ledger = response.headers.get("chain-link-ledger")?.split("-")[0];
      answers.push(`${response.status} ${(await response.text()).length} ${ledger}`);
    }
    return answers;
  };

  test("draws the same errors, sizes and calls, whatever else the service does", async () => {
    const first = await answersOf({}, "seed");
    expect(new Set(first).size).toBeGreaterThan(10);
    expect(await answersOf({}, "seed")).toEqual(first);
    const more: Partial<Behavior> = {
      latency: { kind: "exponential", mean: 0.5, probability: 0.5 },
      cpu: { kind: "uniform", min: 0, max: 0.1, probability: 1 },
      memory: { heldBytes: 1, requestBytes: 1 },
      concurrency: { limit: 5, queue: 5, waitMs: 5000 },
    };
    expect(await answersOf(more, "seed")).toEqual(first);
    expect(await answersOf({}, "another")).not.toEqual(first);
  });
});

test("faults of all kinds do not leak open files", async () => {
  const behavior: Partial<Behavior> = {
    errors: [
      { kind: "reset", rate: 0.3, after: null },
      { kind: "silence", rate: 0.3, after: null },
      { kind: "status", rate: 0.2, status: 503, after: { kind: "uniform", min: 0, max: 2 } },
    ],
  };
  const calls = [
    { service: "b", timeoutMs: 40, retries: 1, request: { kind: "fixed", value: 3000 } as const },
  ];
  await using chain = startChain(graphOf({ a: { calls }, b: { behavior } }), {
    link: { randomOf: () => Math.random },
  });
  await fetch(chain.url);
  const countFiles = () => readdirSync("/proc/self/fd").length;
  const before = countFiles();
  const statuses = new Set<number>();
  for (let round = 0; round < 10; round++) {
    const responses = await Promise.all(Array.from({ length: 30 }, () => fetch(chain.url)));
    for (const { status } of responses) statuses.add(status);
  }
  expect([...statuses].sort()).toEqual([200, 502, 503, 504]);
  await settled(chain, "a");
  await settled(chain, "b");
  // Idle connections: 30 from here to a and 30 from a to b, with both ends of each in this process.
  await eventually(() => (countFiles() <= before + 120 ? true : undefined));
  const spans = await chain.stop();
  expect(new Set(spans.map(({ traceId }) => traceId)).size).toBe(301);
  const { injected } = chain.link("b").stats;
  expect(injected.total).toBe(
    spans.filter(({ kind, tags }) => kind === "SERVER" && tags?.["chain_link.cause"] !== undefined).length,
  );
});

test("a service that needs more memory than available is refused before any is allocated", async () => {
  const bytes = 2 ** 50;
  expect(() =>
    startChain(graphOf({ a: { behavior: { memory: { heldBytes: bytes, requestBytes: 0 } } } })),
  ).toThrow(/^cannot hold \d+GiB of memory: \d+MiB are free$/);
  await using chain = startChain(
    graphOf({ a: { behavior: { memory: { heldBytes: 0, requestBytes: bytes } } } }),
  );
  const response = await fetch(chain.url);
  expect([response.status, await response.json()]).toEqual([
    503,
    { message: "overloaded: out of memory", service: "a" },
  ]);
});

test("a request with hours of CPU work neither blocks other requests nor the shutdown", async () => {
  const behavior: Partial<Behavior> = { cpu: { kind: "fixed", value: 3_600_000, probability: 1 } };
  await using chain = startChain(graphOf({ a: { behavior } }));
  const pending = fetch(chain.url);
  await eventually(() => (chain.link("a").stats.inFlight === 1 ? true : undefined));
  expect((await fetch(`${chain.url}/readiness`)).status).toBe(200);
  await chain.link("a").stop({ drainMs: 0, graceMs: 200 });
  expect((await pending).status).toBe(503);
});

test("a link in a process of its own exits with 0 and sends all spans, even if requests are never answered", async () => {
  const backend = startBackend();
  using folder = temporaryFolder();
  const file = join(folder.path, "t.yaml");
  const services = "{ a: { entry: true, errors: { rate: 1, kind: silence }, memory: 20MiB } }";
  writeFileSync(file, `apiVersion: chain-link.dev/v1\nkind: Topology\nservices: ${services}\n`);
  await using link = await startLinkProcess(["--name", "a", "--topology", file, "--zipkin", backend.url]);
  const connections = await Promise.all([openRaw(link.url), openRaw(link.url), openRaw(link.url)]);
  for (const { socket } of connections) {
    socket.on("error", () => {});
    socket.write(rawGet("/"));
  }
  await eventually(async () => {
    const metrics = await (await fetch(`${link.url}/metrics`)).text();
    return metrics.includes('chain_link_injected_errors_total{kind="silence"} 3') ? true : undefined;
  });
  link.kill("SIGTERM");
  expect(await link.exited).toBe(0);
  expect(backend.spans.map(({ tags }) => tags?.error)).toEqual(["silence", "silence", "silence"]);
  await backend.stop();
});

test("held memory is allocated and then freed", async () => {
  const MIB = 2 ** 20;
  const before = process.memoryUsage.rss();
  const chain = startChain(
    graphOf({ a: { behavior: { memory: { heldBytes: 300 * MIB, requestBytes: 0 } } } }),
  );
  expect(process.memoryUsage.rss() - before).toBeGreaterThan(250 * MIB);
  await chain[Symbol.asyncDispose]();
});
