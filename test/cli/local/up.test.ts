import { describe, expect, test } from "bun:test";
import { chmodSync, existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Span } from "../../../src/trace/span.ts";
import { EXECUTABLE, eventually, runCli, startUp, temporaryFolder } from "../../helpers/cli.ts";
import { freePort } from "../../helpers/free-port.ts";
import { expectChainTrace, fetchTrace, traceIdOf } from "../../helpers/trace.ts";

const SHOP = join(import.meta.dir, "../../../examples/shop.yaml");

describe.each([
  ["in one process", []],
  ["with a process for each link", ["--processes"]],
])("up %s", (_title, flags) => {
  test("up runs a chain with a complete trace, and stops cleanly on Ctrl-C", async () => {
    const up = await startUp(["--instances", "5", "--slow", "off", "--port", "0", "--no-load", ...flags]);
    try {
      expect(up.facts).toMatchObject({
        name: "chain-link",
        page: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+\/#token=[\w-]{24}$/),
      });
      expect(up.facts.links.map(({ name }) => name)).toEqual(
        [0, 1, 2, 3, 4].map((i) => `chain-link-service-${i}`),
      );
      expect(up.facts.entry).toBe(up.facts.links[0]?.url ?? "");
      const response = await fetch(up.facts.entry);
      expect(response.status).toBe(200);
      expect(await response.text()).toBe(
        '{"message":"You have reached the final chain link chain-link-service-4"}\n',
      );
      expectChainTrace(await fetchTrace(up.facts.collector, traceIdOf(response), 9), 5);
    } finally {
      up.signal("SIGINT");
    }
    expect(await up.exited).toBe(130);
    expect(up.stdout().split("\n")).toHaveLength(2);
    for (const { url } of up.facts.links) await expect(fetch(url)).rejects.toThrow();
  }, 30_000);

  test("up runs a call graph whose links reach their callees by name", async () => {
    const up = await startUp([SHOP, "--port", "0", "--rate", "50/s", "--duration", "2s", ...flags]);
    // Links send their spans each in its own time.
    const services = await eventually(async () => {
      const answer = await fetch(`${up.facts.collector}/api/v2/services`);
      const names = (await answer.json()) as string[];
      return names.length === 5 ? names : undefined;
    });
    expect(services).toEqual(["ads", "catalog", "checkout", "frontend", "reviews"]);
    expect(await up.exited).toBe(0);
  }, 30_000);

  test("a link's busy port is named with its flag, and everything is stopped", async () => {
    using blocker = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
    const { exitCode, stdout, stderr } = await runCli([
      ...["up", "--port", "0", "--base-port", String(blocker.port), "-o", "json", ...flags],
    ]);
    expect(exitCode).toBe(1);
    expect(stdout).toBe("");
    expect(stderr).toContain(`cannot listen on 127.0.0.1:${blocker.port}: another process uses the port`);
    expect(stderr).toContain("--base-port");
  }, 30_000);
});

test("the collector's busy port is named with its flag", async () => {
  using blocker = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { exitCode, stdout, stderr } = await runCli(["up", "--port", String(blocker.port)]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(String(blocker.port));
  expect(stderr).toContain("--port 0");
});

test("--base-port gives the links consecutive ports", async () => {
  const base = freePort(3);
  const up = await startUp(["--instances", "3", "--port", "0", "--base-port", String(base), "--no-load"]);
  expect(up.facts.links.map(({ url }) => url)).toEqual([0, 1, 2].map((i) => `http://127.0.0.1:${base + i}`));
  up.signal("SIGTERM");
  expect(await up.exited).toBe(0);
}, 30_000);

test("--open keeps the token out of the browser's arguments, which every user can read", async () => {
  using folder = temporaryFolder();
  const seen = join(folder.path, "arguments");
  for (const opener of ["xdg-open", "open"]) {
    await Bun.write(
      join(folder.path, opener),
      `#!/bin/sh\nprintf '%s' "$*" > '${seen}.new'; mv '${seen}.new' '${seen}'\n`,
    );
    chmodSync(join(folder.path, opener), 0o755);
  }
  const up = await startUp(["--instances", "1", "--port", "0", "--no-load", "--open"], {
    env: { PATH: `${folder.path}:${process.env.PATH}` },
  });
  const file = await eventually(() => (existsSync(seen) ? readFileSync(seen, "utf8") : undefined));
  const token = (up.facts.page ?? "").split("#token=")[1] ?? "";
  expect(token).not.toBe("");
  expect(file).not.toContain(token);
  expect(readFileSync(file, "utf8")).toContain(`location.replace("${up.facts.page}")`);
  expect(statSync(file).mode & 0o077).toBe(0);
  up.signal("SIGTERM");
  await up.exited;
  expect(existsSync(file)).toBe(false);
}, 30_000);

test("with --zipkin, spans go elsewhere and there is no page", async () => {
  const bodies: Span[] = [];
  using backend = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      expect(new URL(request.url).pathname).toBe("/api/v2/spans");
      bodies.push(...((await request.json()) as Span[]));
      return new Response(null, { status: 202 });
    },
  });
  const url = `http://127.0.0.1:${backend.port}`;
  const up = await startUp(["--slow", "off", "--zipkin", url, "--no-load"]);
  expect(up.facts).toMatchObject({ page: null, collector: url });
  await fetch(up.facts.entry);
  up.signal("SIGINT");
  await up.exited;
  expectChainTrace(bodies, 3);
}, 30_000);

test.each([
  ["refuses", "http://127.0.0.1:1"],
  ["answers 500", ""],
])(
  "with a Zipkin that %s requests flow and lost spans are counted",
  async (_title, dead) => {
    using backend = Bun.serve({
      port: 0,
      hostname: "127.0.0.1",
      fetch: () => new Response("no", { status: 500 }),
    });
    const target = dead === "" ? `http://127.0.0.1:${backend.port}` : dead;
    const finished = await runCli([
      "up",
      "--slow",
      "off",
      "--zipkin",
      target,
      "--rate",
      "20/s",
      "--duration",
      "1s",
    ]);
    expect(finished.exitCode).toBe(1);
    const [, requests] = /(\d+) requests; no failures/.exec(finished.stderr) ?? [];
    expect(Number(requests)).toBeGreaterThan(10);
    expect(finished.stderr).toContain("cannot send spans to");
    expect(finished.stderr).toContain(`0 spans sent, ${Number(requests) * 5} dropped`);
  },
  30_000,
);

test("link processes exit when their parent is killed", async () => {
  const up = await startUp(["--processes", "--port", "0", "--no-load"]);
  expect(await fetch(up.facts.entry).then((answer) => answer.status)).toBeOneOf([200]);
  up.signal("SIGKILL");
  for (const { url } of up.facts.links) {
    await eventually(() =>
      fetch(url)
        .then(() => undefined)
        .catch(() => true),
    );
  }
}, 30_000);

test.each([[[]], [["--processes"]]])(
  "the same seed gives the same answers, %j",
  async (flags) => {
    using folder = temporaryFolder();
    const file = join(folder.path, "t.yaml");
    const services =
      "  a: { entry: true, calls: [{ service: b, probability: 50% }] }\n  b: { errors: 50% }\n";
    await Bun.write(file, `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n${services}`);
    const statuses = async (seed: string) => {
      const up = await startUp([file, "--port", "0", "--no-load", "--seed", seed, ...flags]);
      const found: number[] = [];
      for (let request = 0; request < 40; request++) found.push((await fetch(up.facts.entry)).status);
      up.signal("SIGTERM");
      await up.exited;
      return found.join(" ");
    };
    const first = await statuses("7");
    expect(await statuses("7")).toBe(first);
    expect(await statuses("8")).not.toBe(first);
    expect(new Set(first.split(" "))).toEqual(new Set(["200", "500"]));
  },
  60_000,
);

test("requests in flight are answered before up stops, slow ones too", async () => {
  const { exitCode, stderr } = await runCli(["up", "--port", "0", "--rate", "20/s", "--duration", "1s"]);
  expect(exitCode).toBe(0);
  expect(stderr).toMatch(/waiting for \d+ requests? in flight/);
  expect(stderr).toMatch(/\d\d requests; no failures/);
  expect(stderr).toContain("none dropped");
}, 60_000);

async function withTopology<T>(services: string, use: (file: string) => Promise<T>): Promise<T> {
  using folder = temporaryFolder();
  const file = join(folder.path, "t.yaml");
  await Bun.write(file, `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n${services}`);
  return await use(file);
}

test("up waits for the span of a request whose caller has given up", async () => {
  const services =
    "  a: { entry: true, calls: [{ service: b, timeout: 200ms }] }\n  b: { latency: 1500ms }\n";
  await withTopology(services, async (file) => {
    const { stderr } = await runCli(["up", file, "--port", "0", "--duration", "700ms", "--sleep-time", "10"]);
    expect(stderr).toContain("3 spans sent, none dropped");
  });
}, 30_000);

test.each([[[]], [["--processes"]]])(
  "a request from outside is answered while up stops, %j",
  async (flags) => {
    await withTopology("  a: { entry: true, latency: 800ms, calls: [b] }\n  b:\n", async (file) => {
      const up = await startUp([file, "--port", "0", "--no-load", ...flags]);
      const pending = fetch(up.facts.entry);
      await eventually(async () => {
        const metrics = await (await fetch(`${up.facts.entry}/metrics`)).text();
        return metrics.includes("chain_link_requests_in_flight 1\n") ? true : undefined;
      });
      up.signal("SIGTERM");
      expect((await pending).status).toBe(200);
      expect(await up.exited).toBe(0);
    });
  },
  30_000,
);

test.skipIf(process.platform !== "linux")(
  "a link process that dies is named, and up ends with 1 (Linux only)",
  async () => {
    const up = await startUp(["--processes", "--port", "0", "--no-load", "--slow", "off"]);
    const [child] = readFileSync(`/proc/${up.pid}/task/${up.pid}/children`, "utf8").trim().split(" ");
    process.kill(Number(child), "SIGKILL");
    await Bun.sleep(300);
    up.signal("SIGTERM");
    expect(await up.exited).toBe(1);
  },
  30_000,
);

test("Ctrl-C during the start stops up before its links are up", async () => {
  const child = Bun.spawn([EXECUTABLE, "up", "--instances", "100", "--processes", "--port", "0"], {
    stderr: "ignore",
    stdout: "pipe",
  });
  await Bun.sleep(500);
  child.kill("SIGINT");
  expect(await child.exited).toBe(130);
  expect(await child.stdout.text()).toBe("");
}, 30_000);

test("an invalid topology starts nothing", async () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "t.yaml");
  await Bun.write(
    file,
    "apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n  a: { entry: true, calls: [b] }\n  b: { calls: [a] }\n",
  );
  const { exitCode, stdout, stderr } = await runCli(["up", file, "--port", "0"]);
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toContain(
    `${file}:5:16: services.b.calls[0]: expected calls without cycles, found a -> b -> a`,
  );
});

test("too few ports for all links is an error before anything starts", async () => {
  const { exitCode, stderr } = await runCli([
    "up",
    "--instances",
    "1000",
    "--base-port",
    "65000",
    "--port",
    "0",
  ]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain("--base-port 65000: 1000 links need ports up to 65999");
});

test.skipIf(process.platform !== "linux")(
  "too few open files for all links is an error before anything starts (Linux only)",
  async () => {
    const script = `ulimit -n 256; exec '${EXECUTABLE}' up --instances 200 --port 0`;
    const child = Bun.spawn(["bash", "-c", script], { stdout: "pipe", stderr: "pipe" });
    expect(await child.stderr.text()).toContain(
      "200 links need 664 open files, but the limit of this process is 256",
    );
    expect(await child.exited).toBe(1);
  },
);

test("up neither reads nor creates the config file", async () => {
  using folder = temporaryFolder();
  const { exitCode } = await runCli(["up", "--port", "0", "--no-load", "--duration", "100ms"], {
    env: { HOME: folder.path },
  });
  expect(exitCode).toBe(0);
  expect(existsSync(join(folder.path, ".config"))).toBe(false);
}, 30_000);

test("without a terminal, up prints plain lines: addresses and totals", async () => {
  const { stdout, stderr } = await runCli([
    "up",
    "--slow",
    "off",
    "--port",
    "0",
    "--rate",
    "20/s",
    "--duration",
    "500ms",
  ]);
  expect(stdout).toBe("");
  expect(stderr).not.toContain("\x1b");
  expect(stderr).toMatch(
    /chain-link: 3 links up\n\n {2}page {4}http:\/\/127\.0\.0\.1:\d+\/#token=\S+\n {2}entry {3}http/,
  );
  expect(stderr).toMatch(/\d+ requests; no failures; p50 [\d.]+ ms.*\n\d+ spans sent, none dropped\n$/);
}, 30_000);
