import { beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { RunIds } from "../../../src/trace/run.ts";
import { parseLedger } from "../../../src/verify/run/ledger-file.ts";
import { type Certificates, makeCertificates } from "../../helpers/certificates.ts";
import { CLOSED_PORT, quickChain, startChain } from "../../helpers/chain.ts";
import { EXECUTABLE, eventually, runCli, temporaryFolder } from "../../helpers/cli.ts";
import { startRawServer } from "../../helpers/raw-http.ts";

const SHOP = join(import.meta.dir, "../../../examples/shop.yaml");

function serve(answer: (request: Request) => Response | Promise<Response> = () => new Response("ok")) {
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: answer });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

test("load sends at a rate for a duration, prints only results into a pipe, and exits 0", async () => {
  await using server = serve();
  const { exitCode, stdout, stderr } = await runCli([
    ...["load", server.url, "--rate", "100/s", "--duration", "1s"],
  ]);
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(stdout).toMatch(/^run {8}[0-9a-f]{16}$/m);
  expect(stdout).toMatch(/^requests {3}100 in 1 s, 100\/s/m);
  expect(stdout).toContain("100 succeeded, no failures");
});

test("--wait-for-target neither traces nor counts its own requests, and waits for the target's callees, too", async () => {
  const asked: [string | null, number][] = [];
  await using server = serve((request) => {
    const status = asked.length < 2 ? 502 : 200;
    asked.push([request.headers.get("traceparent")?.slice(-3) ?? null, status]);
    return new Response("", { status });
  });
  const load = ["load", server.url, "--requests", "3", "--rate", "100/s", "-o", "json"];
  const { exitCode, stdout } = await runCli([...load, "--wait-for-target", "10s"]);
  expect(exitCode).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ requests: 3, failed: 0 });
  expect(asked).toEqual([["-00", 502], ["-00", 502], ["-00", 200], ...Array(3).fill(["-03", 200])]);
});

test("--wait-for-target gives up after its time, and the load reports the failures", async () => {
  const load = ["load", CLOSED_PORT, "--requests", "1", "--rate", "100/s", "-o", "json"];
  const { exitCode, stdout } = await runCli([...load, "--wait-for-target", "300ms"]);
  expect(exitCode).toBe(1);
  expect(JSON.parse(stdout)).toMatchObject({ requests: 1, failed: 1 });
});

test("a load that stops after --requests reaches its rate", async () => {
  await using server = serve();
  const { stdout } = await runCli(["load", server.url, "--rate", "10/s", "--requests", "2", "-o", "json"]);
  const { seconds, requestsPerSecond } = JSON.parse(stdout);
  expect({ seconds, requestsPerSecond }).toEqual({ seconds: 0.2, requestsPerSecond: 10 });
});

test("coordinated omission: every request that is due during a stall counts it", async () => {
  let count = 0;
  let stalled: Promise<unknown> | null = null;
  await using server = serve(async () => {
    // It stands still for 500 ms, once.
    if (++count === 50) stalled = Bun.sleep(500);
    await stalled;
    return new Response("ok");
  });
  const run = async (...flags: string[]) =>
    JSON.parse((await runCli(["load", server.url, "-o", "json", "--requests", "200", ...flags])).stdout);
  // With one connection only one request at a time can see it: the others count from when they were due.
  const open = await run("--rate", "200/s", "--connections", "1");
  expect(open.latencyMs.p90).toBeGreaterThan(300);
  expect(open.latencyMs.p50).toBeGreaterThan(5);
  expect(open.succeeded).toBe(200);
  expect(open.delayed).toBeGreaterThan(80);
  // A closed loop cannot see it: one slow request of two hundred.
  count = 0;
  stalled = null;
  const closed = await run("--connections", "1");
  expect(closed.latencyMs.p90).toBeLessThan(closed.latencyMs.max);
  expect(closed.latencyMs.max).toBeGreaterThan(400);
});

test("a rate that is not reached is reported and ends with 1", async () => {
  await using server = serve(async () => {
    await Bun.sleep(50);
    return new Response("ok");
  });
  const flags = ["load", server.url, "--rate", "1000/s", "--duration", "1s", "--connections", "2"];
  const { exitCode, stdout } = await runCli(flags);
  expect(exitCode).toBe(1);
  const [, missed] = /the rate was not reached: (\d+) requests were due but never sent/.exec(stdout) ?? [];
  expect(Number(missed)).toBeGreaterThan(900);
  const json = JSON.parse((await runCli([...flags, "-o", "json"])).stdout);
  expect(json).toMatchObject({ isRateReached: false, maxInFlight: 2, failed: 0 });
  expect(json.requests + json.missed).toBe(1000);
  expect(json.doubts[0]).toBe(`the rate was not reached: ${json.missed} requests were due but never sent`);
  const late = await runCli([
    "load",
    server.url,
    "--rate",
    "100/s",
    "--requests",
    "20",
    "--connections",
    "2",
  ]);
  expect(late.stdout).toMatch(/the rate was not reached: requests were sent too late, half of them by \d/);
  expect(late.exitCode).toBe(1);
});

test("failures of a target that is down, comes up, and dies are counted by kind", async () => {
  const listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = listener;
  listener.stop(true);
  const running = runCli([
    "load",
    `http://127.0.0.1:${port}`,
    "--rate",
    "100/s",
    "--duration",
    "3s",
    "-o",
    "json",
  ]);
  await Bun.sleep(1000);
  const server = Bun.serve({ hostname: "127.0.0.1", port, fetch: () => new Response("ok") });
  await Bun.sleep(1000);
  await server.stop(true);
  const { exitCode, stdout } = await running;
  const { requests, succeeded, failed, failures } = JSON.parse(stdout);
  expect(exitCode).toBe(1);
  expect(requests).toBe(300);
  expect(succeeded + failed).toBe(300);
  expect(succeeded).toBeGreaterThan(10);
  expect(failures.connection_refused).toBeGreaterThan(10);
});

test("headers, method and body are sent as given", async () => {
  const seen = Promise.withResolvers<unknown>();
  await using server = serve(async (request) => {
    const { headers, method } = request;
    seen.resolve({ method, host: headers.get("host"), x: headers.get("x-a"), body: await request.text() });
    return new Response("ok");
  });
  const flags = ["-H", "X-A: b: c", "--header", "Host: shop.test", "--method", "POST", "--body", "déjà"];
  const { exitCode } = await runCli(["load", server.url, "--requests", "1", ...flags]);
  expect(exitCode).toBe(0);
  expect(await seen.promise).toEqual({ method: "POST", host: "shop.test", x: "b: c", body: "déjà" });
});

describe("the ledger of a run", () => {
  test("has the end time of each request, also after --wait-for-target", async () => {
    const begun = Date.now();
    // Not there for the first half a second.
    await using server = Bun.serve({
      port: 0,
      fetch: () => new Response("", { status: Date.now() < begun + 500 ? 503 : 200 }),
    });
    using folder = temporaryFolder();
    const file = join(folder.path, "run.ledger");
    const flags = ["--requests", "3", "--rate", "50/s", "--wait-for-target", "10s", "--ledger", file];
    expect((await runCli(["load", `http://127.0.0.1:${server.port}`, ...flags])).exitCode).toBe(0);
    const { ledger } = parseLedger(readFileSync(file), file);
    expect(ledger.endOf(ledger.record(0))).toBeGreaterThanOrEqual(begun + 500);
    expect(ledger.endOf(ledger.record(2))).toBeLessThanOrEqual(Date.now());
  });

  test("has a record for each request that matches the link's spans", async () => {
    await using chain = startChain(quickChain("a", "b", "c"));
    using folder = temporaryFolder();
    const file = join(folder.path, "run.ledger");
    const flags = ["--rate", "200/s", "--requests", "60", "--sample", "50%", "--seed", "1", "--ledger", file];
    const { exitCode, stdout } = await runCli(["load", chain.url, "-o", "json", ...flags]);
    expect(exitCode).toBe(0);
    const { ledger, cut } = parseLedger(readFileSync(file), file);
    expect(cut).toBeNull();
    expect(ledger.header.run).toBe(JSON.parse(stdout).run);
    const records = Array.from({ length: 60 }, (_, i) => ledger.record(i));
    expect(ledger.size).toBe(60);
    expect(new Set(records.map(({ sequence }) => sequence)).size).toBe(60);
    const spans = await chain.stop();
    const ids = new RunIds(ledger.header.run);
    for (const { sequence, ledger, isSampled, status } of records) {
      const own = spans.filter(({ traceId }) => traceId === ids.traceId(sequence));
      expect({ status, count: ledger?.count }).toEqual({ status: 200, count: isSampled ? 5 : 0 });
      expect(own.length).toBe(isSampled ? 5 : 0);
    }
    expect(records.filter(({ isSampled }) => isSampled).length).toBeWithin(10, 50);
  });

  test("an unwritable output file is reported before anything is sent", async () => {
    let requests = 0;
    await using server = serve(() => {
      requests++;
      return new Response("ok");
    });
    for (const flag of ["--ledger", "--hdr"]) {
      const { exitCode, stderr } = await runCli([
        "load",
        server.url,
        "--requests",
        "1",
        flag,
        "/nowhere/file",
      ]);
      expect(exitCode).toBe(1);
      expect(stderr).toContain("cannot write /nowhere/file");
    }
    expect(requests).toBe(0);
  });
});

test("--hdr writes a file that HdrHistogram's plotters read", async () => {
  await using server = serve();
  using folder = temporaryFolder();
  const file = join(folder.path, "load.hgrm");
  await runCli(["load", server.url, "--rate", "200/s", "--requests", "50", "--hdr", file]);
  const text = readFileSync(file, "utf8");
  expect(text).toMatch(/^ +Value +Percentile +TotalCount 1\/\(1-Percentile\)$/m);
  expect(text).toMatch(/Total count +=\s+50\]/);
});

test("load starts a topology with a process per link, and stops it afterwards", async () => {
  const { exitCode, stdout, stderr } = await runCli([
    ...["load", SHOP, "--rate", "50/s", "--requests", "50", "-o", "json", "--seed", "1"],
  ]);
  expect([0, 1]).toContain(exitCode);
  expect(stderr).toBe("");
  const { requests, url, isRateReached } = JSON.parse(stdout);
  expect({ requests, isRateReached }).toEqual({ requests: 50, isRateReached: true });
  await expect(fetch(url)).rejects.toThrow();
}, 30_000);

test("--instances starts a plain chain", async () => {
  const { exitCode, stdout } = await runCli([
    ...[
      "load",
      "--instances",
      "2",
      "--slow",
      "off",
      "--in-process",
      "--connections",
      "2",
      "--requests",
      "20",
    ],
  ]);
  expect(stdout).toContain("20 succeeded, no failures");
  expect(exitCode).toBe(0);
}, 30_000);

describe("Ctrl-C", () => {
  const start = (url: string, ...flags: string[]) => {
    const child = Bun.spawn([EXECUTABLE, "load", url, "--rate", "50/s", "-o", "json", ...flags], {
      stdout: "pipe",
      stderr: "pipe",
    });
    return { child, stdout: child.stdout.text() };
  };

  test("the first Ctrl-C stops the load and prints its results", async () => {
    let requests = 0;
    await using server = serve(() => {
      requests++;
      return new Response("ok");
    });
    const { child, stdout } = start(server.url);
    await eventually(() => requests > 5 || undefined);
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
    const summary = JSON.parse(await stdout);
    expect(summary.succeeded).toBe(requests);
    expect(summary.isRateReached).toBe(true);
  });

  test("SIGTERM stops the load within its limit although responses never come", async () => {
    let requests = 0;
    await using server = serve(() => (requests++ < 3 ? new Response("ok") : new Promise<Response>(() => {})));
    const { child, stdout } = start(server.url);
    await eventually(() => requests > 5 || undefined);
    child.kill("SIGTERM");
    expect(await child.exited).toBe(1);
    const summary = JSON.parse(await stdout);
    expect(summary.failures).toEqual({ client_closed: summary.requests - 3 });
  }, 30_000);

  test("the second Ctrl-C exits immediately", async () => {
    let requests = 0;
    await using server = serve(() => {
      requests++;
      return new Promise<Response>(() => {});
    });
    const { child } = start(server.url);
    await eventually(() => requests > 5 || undefined);
    child.kill("SIGINT");
    const reader = child.stderr.getReader();
    expect(new TextDecoder().decode((await reader.read()).value)).toContain("waiting for");
    child.kill("SIGINT");
    expect(await child.exited).toBe(130);
  });
});

test("--serve serves the run while it lasts, and for --linger after it", async () => {
  await using server = serve();
  const child = Bun.spawn(
    [
      EXECUTABLE,
      "load",
      server.url,
      "--requests",
      "1",
      "--serve",
      "0",
      "--linger",
      "1m",
      "--run",
      "a".repeat(16),
    ],
    { stdout: "pipe", stderr: "pipe" },
  );
  const line = new TextDecoder().decode((await child.stderr.getReader().read()).value);
  const [url] = /http:\/\/[\d.:]+/.exec(line) ?? [""];
  await eventually(async () => {
    const text = await (await fetch(`${url}/metrics`)).text();
    return text.includes("chain_link_load_requests_succeeded_total 1\n") || undefined;
  });
  expect(await (await fetch(`${url}/ledger`)).text()).toContain(`"run":"${"a".repeat(16)}"`);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

test.each([
  [["load"], "URL or a topology"],
  [["load", "ftp://a"], "http or https URL"],
  [["load", "no-such-file.yaml"], "no-such-file.yaml"],
  [["load", "localhost:8000"], "http or https URL"],
  [["load", CLOSED_PORT, "--rate", "0"], "a rate such as"],
  [["load", CLOSED_PORT, "--rate", "5..0/0s"], "a ramp"],
  [["load", CLOSED_PORT, "--rate", "1e9"], "a rate such as"],
  [["load", CLOSED_PORT, "--sample", "2"], "a percentage"],
  [["load", CLOSED_PORT, "--connections", "0"], "a whole number"],
  [["load", CLOSED_PORT, "-H", "nonsense"], "a header such as"],
  [["load", CLOSED_PORT, "-H", "traceparent: x"], "written for each request"],
  [["load", CLOSED_PORT, "-H", "a: \u0007"], "control characters"],
  [["load", CLOSED_PORT, "--method", "A B"], "a method"],
  [["load", CLOSED_PORT, "--serve", "70000"], "a port or an address"],
  [["load", CLOSED_PORT, "--run", "XYZ"], "16 hex digits"],
  [["load", CLOSED_PORT, "--in-process"], "a URL was given"],
])("%j is refused in plain words", async (args, words) => {
  const { exitCode, stdout, stderr } = await runCli(args);
  expect(stderr).toContain(words);
  expect(stdout).toBe("");
  expect(exitCode).toBeOneOf([1, 2]);
});

describe.skipIf(Bun.which("openssl") === null)("a target with TLS", () => {
  let certificates: Certificates;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  for (const [name, reason] of [
    ["selfSigned", "certificate_self_signed"],
    ["good", "certificate_unknown_authority"],
    ["expired", "certificate_expired"],
    ["otherName", "certificate_unknown_authority"],
  ] as const) {
    test(`${name} is ${reason}, and --insecure accepts it`, async () => {
      const { cert, key } = certificates[name];
      const tls = { cert, key };
      await using server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        tls,
        fetch: () => new Response("ok"),
      });
      const args = ["load", `https://localhost:${server.port}`, "--requests", "2", "--rate", "50/s"];
      const strict = await runCli([...args, "-o", "json"]);
      expect(JSON.parse(strict.stdout)).toMatchObject({ succeeded: 0, failures: { [reason]: 2 } });
      expect((await runCli(args)).stdout).toContain(`2 failed (2 × ${reason})`);
      const insecure = await runCli([...args, "--insecure", "-o", "json"]);
      expect(JSON.parse(insecure.stdout)).toMatchObject({ succeeded: 2, failures: {} });
    });
  }
});

test.skipIf(process.platform !== "linux")(
  "response bodies of 20 MB do not fill the memory",
  async () => {
    const body = new Uint8Array(20_000_000);
    let served = 0;
    await using server = serve(() => {
      served++;
      return new Response(body);
    });
    const child = Bun.spawn([EXECUTABLE, "load", server.url, "--connections", "16"], { stdout: "ignore" });
    await eventually(async () => (served > 40 ? true : undefined), 60_000);
    const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
    child.kill("SIGKILL");
    await child.exited;
    // 500 MB when the bodies were kept, 110 now.
    expect(Number(/VmHWM:\s*(\d+)/.exec(status)?.[1]) / 1024).toBeLessThan(250);
  },
  90_000,
);

test("a response body without a length that is cut off by a reset is a failed request", async () => {
  await using server = await startRawServer((socket) =>
    socket.write("HTTP/1.1 200 OK\r\n\r\npartial", () => socket.resetAndDestroy()),
  );
  const { stdout, exitCode } = await runCli([
    "load",
    server.url,
    "--requests",
    "20",
    "--rate",
    "500/s",
    "-o",
    "json",
  ]);
  expect(JSON.parse(stdout)).toMatchObject({ succeeded: 0, failures: { connection_reset: 20 } });
  expect(exitCode).toBe(1);
});

test.skipIf(process.platform !== "linux")(
  "a target without a route fails as network_unreachable",
  async () => {
    const { stdout } = await runCli([
      "load",
      "http://224.0.0.1",
      "--requests",
      "3",
      "--rate",
      "500/s",
      "-o",
      "json",
    ]);
    expect(JSON.parse(stdout)).toMatchObject({ succeeded: 0, failures: { network_unreachable: 3 } });
  },
);
