import { describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { UserError } from "../../src/lib/errors.ts";
import { PLAIN_CALL } from "../../src/topology/model.ts";
import { CLOSED_PORT, graphOf, quickChain, type ServiceFields, startChain } from "../helpers/chain.ts";
import { eventually, runCli, temporaryFolder } from "../helpers/cli.ts";
import { type LinkProcess, startLinkProcess } from "../helpers/link-process.ts";
import { openRaw, rawGet } from "../helpers/raw-http.ts";
import { startBackend } from "../helpers/zipkin-backend.ts";

/** Longer than any test may take. */
const HOUR_MS = 3_600_000;

/** A service that answers only once a test calls `answer`. */
function startPatient() {
  const { promise: release, resolve } = Promise.withResolvers<void>();
  let asked = 0;
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async () => {
      asked++;
      await release;
      return new Response("at last");
    },
  });
  return {
    url: `http://127.0.0.1:${server.port}`,
    answer: resolve,
    isAsked: () => eventually(() => (asked > 0 ? true : undefined)),
    [Symbol.asyncDispose]: () => server.stop(true),
  };
}

describe("stopping a link", () => {
  test("answers requests in flight, closes idle connections, sends the spans, and stops listening", async () => {
    await using patient = startPatient();
    await using chain = startChain(quickChain("a", "b"), { absent: ["b"], urls: { b: patient.url } });
    const idle = await openRaw(chain.url);
    idle.socket.write(rawGet("/readiness"));
    await idle.waitFor(/ok/);
    const pending = fetch(chain.url);
    await patient.isAsked();
    const stopped = chain.link("a").stop({ drainMs: 0, graceMs: 5000 });
    await idle.closed;
    await Bun.sleep(20);
    expect(chain.backend.spans.length).toBe(0);
    patient.answer();
    const response = await pending;
    expect(await response.text()).toBe("at last");
    expect(response.headers.get("connection")).toBe("close");
    await stopped;
    expect(chain.backend.spans.length).toBe(2);
    await expect(fetch(chain.url)).rejects.toThrow();
  });

  test("does not cut off a large answer that is still being read", async () => {
    await using chain = startChain(quickChain("a", "b"), {
      absent: ["b"],
      urls: { b: startLarge().url },
    });
    const connection = await openRaw(chain.url);
    connection.socket.pause();
    connection.socket.write(rawGet("/"));
    await eventually(() => (chain.link("a").stats.requests > 0 ? true : undefined));
    const stopped = chain.link("a").stop({ drainMs: 0, graceMs: 10_000 });
    await Bun.sleep(50);
    connection.socket.resume();
    const text = await connection.closed;
    expect(text.length - text.indexOf("\r\n\r\n") - 4).toBe(LARGE);
    await stopped;
  });

  test("waits for the grace period and then answers requests in flight with 502, with their spans", async () => {
    await using patient = startPatient();
    await using chain = startChain(quickChain("a", "b"), { absent: ["b"], urls: { b: patient.url } });
    const pending = fetch(chain.url);
    await patient.isAsked();
    const startMs = performance.now();
    // The grace period also ends the drain, which alone would outlast this test.
    await chain.link("a").stop({ drainMs: HOUR_MS, graceMs: 300 });
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(200);
    const response = await pending;
    expect(response.status).toBe(502);
    expect(response.headers.get("chain-link-ledger")).toMatch(/^2-[0-9a-f]{16}-1$/);
    expect(chain.backend.spans.map(({ kind, tags }) => [kind, tags?.error])).toEqual([
      ["CLIENT", "client_closed: the client was closed"],
      ["SERVER", "502"],
    ]);
    expect(chain.link("a").stats.inFlight).toBe(0);
  });

  test("also records the span of a request whose caller has disconnected", async () => {
    const behavior = { latency: { kind: "fixed", value: HOUR_MS, probability: 1 } } as const;
    await using chain = startChain(graphOf({ a: { behavior } }));
    const { stats } = chain.link("a");
    const connections = [await openRaw(chain.url), await openRaw(chain.url)];
    for (const { socket } of connections) socket.write(rawGet("/"));
    await eventually(() => (stats.inFlight === 2 ? true : undefined));
    connections[0]?.socket.resetAndDestroy();
    await chain.link("a").stop({ drainMs: 0, graceMs: 300 });
    expect(stats.inFlight).toBe(0);
    expect(chain.backend.spans.map(({ tags }) => tags?.["chain_link.cause"])).toEqual([
      "shutdown",
      "shutdown",
    ]);
    expect(await connections[1]?.closed).toStartWith("HTTP/1.1 503 ");
  });

  test.each([
    ["a latency", { a: { behavior: { latency: { kind: "fixed", value: 1200, probability: 1 } } } }],
    ["a sleep", { a: { calls: [{ sleep: { kind: "fixed", value: 1200 } }] } }],
    [
      "a backoff",
      {
        a: {
          calls: [
            // Tests draw half of the maximum backoff.
            { service: "b", retries: 1, retry: { ...PLAIN_CALL.retry, backoffMs: 2400 } },
          ],
        },
        b: {},
      },
    ],
    [
      "a place in the queue",
      {
        a: {
          behavior: {
            concurrency: { limit: 1, queue: 1, waitMs: null },
            latency: { kind: "fixed", value: 1200, probability: 1 },
          },
        },
      },
    ],
  ] as [string, Record<string, ServiceFields>][])(
    "makes %s that ends after the link harmless",
    async (_, services) => {
      await using chain = startChain(graphOf(services), { absent: ["b"] });
      const { stats, reporter } = chain.link("a");
      const pending = [fetch(chain.url), fetch(chain.url)];
      await eventually(() => (stats.inFlight === 2 ? true : undefined));
      await chain.link("a").stop({ drainMs: 0, graceMs: 600 });
      for (const response of await Promise.all(pending)) expect(response.status).toBe(503);
      const after = () => {
        const dropped = Object.values(reporter.dropped).reduce((sum, count) => sum + count, 0);
        return [stats.inFlight, stats.queued, stats.requests, dropped];
      };
      const atTheEnd = after();
      await Bun.sleep(1500);
      expect(after()).toEqual(atTheEnd);
      expect(atTheEnd.slice(2)).toEqual([2, 0]);
      expect(stats.inFlight).toBe(0);
    },
  );

  test("twice has the effect of the first call", async () => {
    await using chain = startChain(quickChain("a"));
    await fetch(chain.url);
    const link = chain.link("a");
    // The second call would outlast this test if its own drain counted.
    await Promise.all([
      link.stop({ drainMs: 0, graceMs: 2000 }),
      link.stop({ drainMs: HOUR_MS, graceMs: HOUR_MS }),
    ]);
    expect(link.reporter.sent).toBe(1);
  });
});

async function isRefused(url: string): Promise<true | undefined> {
  try {
    (await openRaw(url)).socket.destroy();
    return undefined;
  } catch {
    return true;
  }
}

const LARGE = 20_000_000;

function startLarge() {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => new Response(new Uint8Array(LARGE).fill(120)),
  });
  server.unref();
  return { url: `http://127.0.0.1:${server.port}` };
}

describe("a backend that", () => {
  test.each([
    ["refuses connections", null],
    ["answers 500", () => new Response(null, { status: 500 })],
    ["hangs", () => new Promise<Response>(() => {})],
  ] as const)(
    "%s does not keep requests from being answered, and every span is counted",
    async (_what, react) => {
      await using backend = startBackend(react === null ? {} : { react });
      const url = react === null ? CLOSED_PORT : backend.url;
      await using chain = startChain(quickChain("a", "b"), { link: { target: { kind: "zipkin", url } } });
      for (let count = 0; count < 50; count++) expect((await fetch(chain.url)).status).toBe(200);
      await Promise.all([...chain.links.values()].map((link) => link.stop({ drainMs: 0, graceMs: 200 })));
      for (const [name, spans] of [
        ["a", 100],
        ["b", 50],
      ] as const) {
        const { sent, dropped, queued } = chain.link(name).reporter;
        expect(Object.values(dropped).reduce((sum, count) => sum + count, sent + queued)).toBe(spans);
        expect(sent).toBe(0);
      }
    },
  );
});

test("a port that is in use is a user error", async () => {
  await using chain = startChain(quickChain("a"));
  const port = Number(new URL(chain.url).port);
  const start = () => startChain(quickChain("b"), { link: { port, portFlag: "--base-port" } });
  expect(start).toThrow(UserError);
  expect(start).toThrow(`cannot listen on 127.0.0.1:${port}: another process uses the port`);
});

describe("the executable", () => {
  /** Link `a` of a chain of two; `b` is at the given URL. */
  async function startA(b: string, zipkin: string, ...args: readonly string[]): Promise<LinkProcess> {
    const folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    writeFileSync(path, '["a", "b"]');
    const common = ["--name", "a", "--services-file", path, "--resolve", `b=${b}`, "--zipkin", zipkin];
    const process = await startLinkProcess([...common, "--slow", "off", ...args]);
    void process.exited.then(() => folder[Symbol.dispose]());
    return process;
  }

  test("on SIGTERM first fails readiness, answers the request in flight, sends spans, and exits with 0", async () => {
    await using patient = startPatient();
    await using backend = startBackend();
    await using link = await startA(patient.url, backend.url, "--drain", "300ms");
    expect((await fetch(`${link.url}/readiness`)).status).toBe(200);
    const pending = fetch(link.url);
    await patient.isAsked();
    link.kill("SIGTERM");
    const unready = await eventually(async () => {
      const response = await fetch(`${link.url}/readiness`);
      return response.status === 503 ? response : undefined;
    });
    expect(await unready.json()).toEqual({ message: "shutting down" });
    // The link still serves requests: callers may not have noticed the readiness yet.
    expect((await fetch(`${link.url}/metrics`)).status).toBe(200);
    patient.answer();
    expect(await (await pending).text()).toBe("at last");
    expect(await link.exited).toBe(0);
    expect(backend.spans.map(({ kind }) => kind).sort()).toEqual(["CLIENT", "SERVER"]);
  });

  test("on SIGTERM without drain refuses connections and answers the request in flight", async () => {
    await using patient = startPatient();
    await using backend = startBackend();
    await using link = await startA(patient.url, backend.url);
    const connection = await openRaw(link.url);
    connection.socket.write(rawGet("/"));
    await patient.isAsked();
    link.kill("SIGTERM");
    await eventually(() => isRefused(link.url));
    patient.answer();
    expect(await connection.closed).toContain("at last");
    expect(await link.exited).toBe(0);
    expect(backend.spans.length).toBe(2);
  });

  test("on SIGINT exits with 130", async () => {
    await using backend = startBackend();
    await using link = await startA(CLOSED_PORT, backend.url);
    expect((await fetch(link.url)).status).toBe(502);
    link.kill("SIGINT");
    expect(await link.exited).toBe(130);
    expect(backend.spans.length).toBe(2);
  });

  test.each([
    ["SIGTERM", 143],
    ["SIGINT", 130],
  ] as const)("exits immediately on a second %s", async (signal, exitCode) => {
    await using patient = startPatient();
    await using link = await startA(patient.url, CLOSED_PORT, "--drain", "20s");
    const pending = fetch(link.url).catch(() => "cut");
    await patient.isAsked();
    link.kill(signal);
    await eventually(async () => ((await fetch(`${link.url}/readiness`)).status === 503 ? true : undefined));
    link.kill(signal);
    expect(await link.exited).toBe(exitCode);
    expect(await pending).toBe("cut");
  });

  test("counts spans that it cannot send as dropped when it stops", async () => {
    await using link = await startA(CLOSED_PORT, CLOSED_PORT, "--grace", "500ms");
    await fetch(link.url);
    link.kill("SIGTERM");
    expect(await link.exited).toBe(0);
    expect(link.stderr()).toContain("spans dropped: 2 shutdown");
  });

  test("writes the access log to standard output and the log to standard error", async () => {
    await using backend = startBackend();
    await using link = await startA(CLOSED_PORT, backend.url, "--access-log", "--log-format", "json");
    await fetch(`${link.url}/?x=1`);
    link.kill("SIGTERM");
    await link.exited;
    expect(JSON.parse(link.stdout())).toMatchObject({ method: "GET", path: "/?x=1", status: 502 });
    expect(link.stderr()).toContain('"message":"service_name a"');
  });

  test.each([
    ["missing", null, "does not exist"],
    ["not JSON", "a\nb", "found no JSON"],
    ["not a list", "{}", "found an object"],
    ["duplicated", '["a", "a"]', 'found "a" twice'],
  ])("reports a services file that is %s without a stack trace", async (_what, content, message) => {
    using folder = temporaryFolder();
    const path = join(folder.path, "services.json");
    if (content !== null) writeFileSync(path, content);
    const { exitCode, stderr } = await runCli(["link", "--services-file", path, "--port", "0"]);
    expect(exitCode).toBe(1);
    expect(stderr).toContain(message);
    expect(stderr).not.toMatch(/^\s+at /m);
  });
});
