import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { ExampleResult } from "../../../src/contract/verify-result.ts";
import { RunIds } from "../../../src/trace/run.ts";
import { runCli, startUp, temporaryFolder } from "../../helpers/cli.ts";
import { ledgerBytes } from "../../helpers/ledger.ts";

const RUN = "9f86d081884c7d65";

function ledgerFile(path: string, records: number): Promise<number> {
  const header = { run: RUN, startMs: 1_764_000_000_000, url: "http://localhost:1" };
  const record = (sequence: number) => ({
    sequence,
    endMs: sequence,
    status: 200,
    ledger: { count: 3, high: 1, low: 2, unknown: 0 },
    isSampled: true,
    isBroken: false,
  });
  return Bun.write(
    path,
    ledgerBytes(
      header,
      Array.from({ length: records }, (_, i) => record(i)),
    ),
  );
}

describe("verify", () => {
  test("starts a chain, sends, waits, and exits with 0 when all is complete", async () => {
    const args = ["--instances", "3", "--slow", "off", "--in-process", "--rate", "50/s", "--requests", "20"];
    const beganMs = Date.now();
    const { exitCode, stdout } = await runCli(["verify", ...args, "-o", "json"]);
    expect(exitCode).toBe(0);
    const result = JSON.parse(stdout);
    const times = [beganMs, result.startedMs, result.endedMs, result.judgedMs, Date.now()];
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    expect(result).toMatchObject({
      subject: "a chain of 3 links",
      outcome: "complete",
      requests: 20,
      traces: { complete: 20 },
      spans: { expected: 100, missing: 0 },
    });
  }, 60_000);

  test("--propagation says which forms every edge keeps, in a table, as JSON, JUnit and a page", async () => {
    using folder = temporaryFolder();
    const args = ["verify", "--propagation", "--instances", "2", "--in-process"];
    const { exitCode, stdout } = await runCli(args);
    expect(stdout).toMatch(/^kept: \d+ forms over 2 edges, \d+ requests\n/);
    expect(stdout).toMatch(/\nb3 single debug +kept +kept\n/);
    expect(exitCode).toBe(0);
    const [junit, report] = [join(folder.path, "forms.xml"), join(folder.path, "forms.html")];
    const files = ["--junit", junit, "--report", report];
    const json = await runCli([...args, "--requests", "2", "-o", "json", ...files]);
    const result = JSON.parse(json.stdout);
    expect(result.outcome).toBe("kept");
    expect(result.requests).toBe(2 * result.forms.length);
    const cases = await Bun.file(junit).text();
    expect(cases).toContain('failures="0" errors="0"');
    expect(cases).toMatch(/name="b3 single: chain-link-service-0 &gt; chain-link-service-1"><\/testcase>/);
    expect(await Bun.file(report).text()).toContain('"outcome":"kept"');
  }, 60_000);

  test("--propagation is exit 1 where a form is refused, and 3 where nothing can be told", async () => {
    await using refusing = Bun.serve({ port: 0, fetch: () => new Response("", { status: 431 }) });
    await using silent = Bun.serve({ port: 0, fetch: () => new Response("hello") });
    await using empty = Bun.serve({ port: 0, fetch: () => Response.json([]) });
    using folder = temporaryFolder();
    const junit = join(folder.path, "forms.xml");
    const backend = `zipkin=http://localhost:${empty.port}`;
    for (const [entry, place, code] of [
      [`http://localhost:${refusing.port}`, backend, 1],
      [`http://localhost:${silent.port}`, backend, 3],
      ["http://127.0.0.1:1", backend, 3],
      [`http://localhost:${silent.port}`, "zipkin=http://127.0.0.1:1", 3],
    ] as const) {
      const args = ["verify", "--propagation", entry, "--backend", place, "--max-wait", "100ms"];
      expect((await runCli([...args, "--junit", junit])).exitCode).toBe(code);
      if (code === 1) expect(await Bun.file(junit).text()).toContain('<failure message="broken, ');
    }
    expect(await Bun.file(junit).text()).toContain('<error message="unknown, ');
  });

  test("an earlier run is judged by its ledger; what is missing is exit 1, in a table, JUnit and a page", async () => {
    using folder = temporaryFolder();
    const up = await startUp(["--port", "0", "--instances", "2", "--slow", "off", "--no-load"]);
    try {
      const ledger = join(folder.path, "run.ledger");
      await ledgerFile(ledger, 2);
      const there = { id: "00000000000000aa", kind: "SERVER", localEndpoint: { serviceName: "a" } };
      const spans = [{ traceId: new RunIds(RUN).traceId(0), timestamp: Date.now() * 1000, ...there }];
      const posted = await fetch(`${up.facts.collector}/api/v2/spans`, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(spans),
      });
      expect(posted.status).toBe(202);
      const [junit, report] = [join(folder.path, "verify.xml"), join(folder.path, "verify.html")];
      const backend = `collector=${up.facts.collector}`;
      const files = ["--junit", junit, "--report", report];
      const args = ["verify", "--run", ledger, "--backend", backend, "--max-wait", "100ms"];
      const { exitCode, stdout } = await runCli([...args, ...files]);
      expect(exitCode).toBe(1);
      expect(stdout).toStartWith("INCOMPLETE: 5 of 6 spans missing, 2 requests\n");
      expect(stdout).toContain("1 not-found, 1 partial");
      expect(await Bun.file(junit).text()).toContain('failures="3"');
      const page = await Bun.file(report).text();
      expect(page).toContain("Incomplete");
      expect(page).toContain(
        "<title>http://localhost:1: incomplete, 2025-11-24 16:00 UTC · chain-link verify</title>",
      );
      expect(page).toContain("default-src 'none'");
      expect(page).toContain('"outcome":"incomplete"');
      expect(page).not.toMatch(/ src=|<link/);
    } finally {
      up.signal("SIGTERM");
      await up.exited;
    }
  }, 60_000);

  test("a trace has no link to the collector that was started, as it ends with the command", async () => {
    using folder = temporaryFolder();
    const args = ["verify", "-", "--in-process", "--rate", "50/s", "--requests", "2", "--max-wait", "1s"];
    // Nothing answers within the limit, and what is still on its way is unknown.
    args.push("--timeout", "20ms");
    const stdin = `
apiVersion: chain-link.dev/v1
kind: Topology
services:
  front: { entry: true, latency: 1h }
`;
    const report = join(folder.path, "verify.html");
    const { stdout } = await runCli([...args, "--report", report], { stdin });
    expect(stdout).toMatch(/^[0-9a-f]{32} {2}unknown$/m);
    expect(stdout).not.toContain("/zipkin/traces/");
    expect(await Bun.file(report).text()).not.toContain("/zipkin/traces/");
    const elsewhere = ["--backend-page", "http://grafana/{traceId}"];
    const linked = await runCli([...args, ...elsewhere], { stdin });
    expect(linked.stdout).toMatch(/^http:\/\/grafana\/[0-9a-f]{32} {2}unknown$/m);
  }, 60_000);

  test("a loss within --allow-loss is exit 0, and called so", async () => {
    using folder = temporaryFolder();
    const ledger = join(folder.path, "run.ledger");
    await ledgerFile(ledger, 1);
    await using server = Bun.serve({ port: 0, fetch: () => Response.json([]) });
    const backend = `zipkin=http://localhost:${server.port}`;
    const args = ["verify", "--run", ledger, "--backend", backend, "--max-wait", "0", "--allow-loss", "100%"];
    const junit = join(folder.path, "verify.xml");
    const table = await runCli([...args, "--junit", junit]);
    expect(table.stdout).toStartWith("within the allowed loss: 3 of 3 spans missing, 1 request\n");
    expect(table.exitCode).toBe(0);
    expect(await Bun.file(junit).text()).toContain('failures="0" errors="0"');
    expect(JSON.parse((await runCli([...args, "-o", "json"])).stdout).outcome).toBe("within-allowed-loss");
  });

  test("traces that are unknown are exit 0 within --allow-unknown alone", async () => {
    await using entry = Bun.serve({ port: 0, fetch: () => new Response("hello") });
    await using empty = Bun.serve({ port: 0, fetch: () => Response.json([]) });
    const url = `http://localhost:${entry.port}`;
    const backend = `zipkin=http://localhost:${empty.port}`;
    const args = [
      "verify",
      url,
      "--requests",
      "2",
      "--rate",
      "50/s",
      "--max-wait",
      "0",
      "--backend",
      backend,
    ];
    expect((await runCli([...args, "--allow-loss", "100%"])).exitCode).toBe(3);
    expect((await runCli([...args, "--allow-unknown", "40%"])).exitCode).toBe(3);
    const { exitCode, stdout } = await runCli([...args, "--allow-unknown", "100%"]);
    expect(stdout).toContain("2 unknown");
    expect(exitCode).toBe(0);
  });

  test("a document, a graph or a report path that is wrong is exit 2", async () => {
    using folder = temporaryFolder();
    const bad = join(folder.path, "bad.yaml");
    await Bun.write(bad, "services: {}\n");
    const url = "http://127.0.0.1:1";
    for (const args of [
      [bad],
      [join(folder.path, "none.yaml")],
      [url, "--graph", bad],
      [url, "--graph", join(folder.path, "none.yaml")],
      [url, "--report", "/nowhere/report.html"],
      [url, "--junit", folder.path],
      [url, "--backend", "zipkin"],
    ])
      expect((await runCli(["verify", ...args])).exitCode).toBe(2);
  });

  test("what cannot be read is exit 3, in clear words", async () => {
    using folder = temporaryFolder();
    const ledger = join(folder.path, "run.ledger");
    await ledgerFile(ledger, 2);
    await using page = Bun.serve({ port: 0, fetch: () => new Response("<!doctype html>") });
    await using half = Bun.serve({ port: 0, fetch: () => new Response('[[{"traceId":"1') });
    const closed = "zipkin=http://127.0.0.1:1";
    for (const [run, backend, text] of [
      [ledger, closed, "Zipkin at http://127.0.0.1:1 cannot be read: connection refused\n"],
      [ledger, `zipkin=http://localhost:${page.port}`, "found a web page"],
      [ledger, `zipkin=http://localhost:${half.port}`, "is not valid JSON"],
      [join(folder.path, "none"), closed, "cannot read the ledger"],
      [import.meta.path, closed, "is not the ledger of a run"],
      ["http://127.0.0.1:1", closed, "cannot read the ledger"],
    ] as const) {
      const { exitCode, stderr, stdout } = await runCli(["verify", "--run", run, "--backend", backend]);
      expect(stderr).toContain(text);
      expect(stdout).toBe("");
      expect(exitCode).toBe(3);
    }
  });

  test("an entry without a ledger cannot be proved: exit 3, never complete", async () => {
    await using entry = Bun.serve({ port: 0, fetch: () => new Response("hello") });
    await using backend = Bun.serve({ port: 0, fetch: () => Response.json([]) });
    const { exitCode, stdout } = await runCli([
      "verify",
      `http://localhost:${entry.port}`,
      "--requests",
      "2",
      "--rate",
      "100/s",
      "--backend",
      `zipkin=http://localhost:${backend.port}`,
    ]);
    expect(stdout).toContain("COULD NOT TELL");
    expect(stdout).toContain(
      "2 requests got an answer without a complete ledger (2 × 200), as from a link of an older",
    );
    expect(exitCode).toBe(3);
  });

  test("why it could not tell is said by the causes that the load knows", async () => {
    await using entry = Bun.serve({ port: 0, fetch: () => new Response("", { status: 502 }) });
    const finding = {
      connection_refused: "the request got no answer: connection refused",
      502: "the request was answered with 502, without a ledger",
    };
    await using backend = Bun.serve({ port: 0, fetch: () => Response.json([]) });
    for (const [url, requests, text, unknownCauses] of [
      ["http://127.0.0.1:1", 3, "3 requests failed (3 × connection_refused)", { connection_refused: 3 }],
      ["http://127.0.0.1:1", 1, "1 request failed (1 × connection_refused)", { connection_refused: 1 }],
      [
        `http://localhost:${entry.port}`,
        2,
        "2 requests got an answer without a complete ledger (2 × 502)",
        { 502: 2 },
      ],
    ] as const) {
      const pace = ["--requests", String(requests), "--rate", "100/s"];
      const args = ["verify", url, ...pace, "--backend", `zipkin=http://localhost:${backend.port}`];
      const { exitCode, stdout } = await runCli([...args, "-o", "json"]);
      const result = JSON.parse(stdout);
      expect(result).toMatchObject({ outcome: "could-not-tell", doubt: text, unknownCauses });
      const [cause = ""] = Object.keys(unknownCauses);
      expect(result.examples.map((example: ExampleResult) => example.findings)).toEqual(
        Array.from({ length: requests }, () => [finding[cause as keyof typeof finding]]),
      );
      expect(exitCode).toBe(3);
      expect((await runCli(args)).stdout).toContain(`\n${text}\n`);
    }
  });

  test("a file that cannot be written is said before anything is sent, and nothing is left of one that was only tried", async () => {
    let requests = 0;
    await using entry = Bun.serve({ port: 0, fetch: () => new Response(`${++requests}`) });
    using folder = temporaryFolder();
    const target = ["verify", `http://localhost:${entry.port}`, "--requests", "1"];
    for (const mode of [[], ["--propagation"]]) {
      for (const flag of ["--junit", "--report"]) {
        const run = await runCli([...target, ...mode, flag, join(folder.path, "none/file")]);
        expect(run.stderr).toContain(`there is no folder ${join(folder.path, "none")}`);
        expect(run.exitCode).toBe(2);
      }
    }
    expect((await runCli([...target, "--report", folder.path])).stderr).toContain("it is a folder");
    expect(requests).toBe(0);
    const [junit, report] = [join(folder.path, "old.xml"), join(folder.path, "new.html")];
    await Bun.write(junit, "old");
    const files = ["--junit", junit, "--report", report];
    const run = await runCli([...target, ...files, "--backend", "zipkin=http://127.0.0.1:1"]);
    expect(run.exitCode).toBe(3);
    expect(await Bun.file(junit).text()).toBe("old");
    expect(await Bun.file(report).exists()).toBe(false);
  });

  test("usage errors are exit 2", async () => {
    expect((await runCli(["verify"])).exitCode).toBe(2);
    expect((await runCli(["verify", "--run", "x", "http://localhost:1"])).exitCode).toBe(2);
    for (const flag of ["--run=x", "--rate=5/s", "--allow-loss=1%", "--links=a=http://localhost:1"]) {
      const { exitCode, stderr } = await runCli(["verify", "--propagation", "--instances", "2", flag]);
      expect(stderr).toContain(`${flag.split("=")[0]} has no effect with --propagation`);
      expect(exitCode).toBe(2);
    }
    expect((await runCli(["verify", "--run", "x", "--backend", "kafka=http://localhost:1"])).exitCode).toBe(
      2,
    );
  });
});

test("--examples lists all bad traces", async () => {
  using folder = temporaryFolder();
  const ledger = join(folder.path, "run.ledger");
  await ledgerFile(ledger, 40);
  await using server = Bun.serve({ port: 0, fetch: () => Response.json([]) });
  const backend = `zipkin=http://localhost:${server.port}`;
  const args = ["verify", "--run", ledger, "--backend", backend, "--max-wait", "0", "-o", "json"];
  const listed = async (more: readonly string[]) =>
    JSON.parse((await runCli([...args, ...more])).stdout).examples.map((it: ExampleResult) => it.traceId);
  expect(await listed([])).toHaveLength(10);
  expect(new Set(await listed(["--examples", "1000"])).size).toBe(40);
});
