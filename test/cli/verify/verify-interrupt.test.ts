import { expect, test } from "bun:test";
import { join } from "node:path";
import { EXECUTABLE, temporaryFolder } from "../../helpers/cli.ts";
import { ledgerBytes } from "../../helpers/ledger.ts";

/** Verifies; `interrupt` sends a signal. */
function startVerify(args: readonly string[]) {
  const child = Bun.spawn([EXECUTABLE, "verify", ...args], { stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr] = [child.stdout.text(), child.stderr.text()];
  return {
    interrupt: (name: "SIGINT" | "SIGTERM") => child.kill(name),
    finished: async () => ({ exitCode: await child.exited, stdout: await stdout, stderr: await stderr }),
  };
}

/** A backend without spans, and when it was first asked for some. */
function serveNothing() {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const server = Bun.serve({
    port: 0,
    fetch: ({ url }) => {
      if (url.includes("/api/v2/")) resolve();
      return Response.json([]);
    },
  });
  return { url: `http://localhost:${server.port}`, asked, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** What answers without a ledger, and when it was asked so often. */
function serveErrors(times: number) {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  let requests = 0;
  const server = Bun.serve({
    port: 0,
    fetch: () => {
      if (++requests === times) resolve();
      return new Response("", { status: 502 });
    },
  });
  return { url: `http://localhost:${server.port}`, asked, [Symbol.asyncDispose]: () => server.stop(true) };
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  test(`${signal} while sending stops it and judges what was sent, with all reports and exit 130`, async () => {
    using folder = temporaryFolder();
    await using entry = serveErrors(5);
    await using backend = serveNothing();
    const [junit, report] = [join(folder.path, "verify.xml"), join(folder.path, "verify.html")];
    const files = ["--junit", junit, "--report", report, "-o", "json"];
    const pace = ["--rate", "20/s", "--duration", "10m"];
    const verify = startVerify([entry.url, ...pace, "--backend", `zipkin=${backend.url}`, ...files]);
    await entry.asked;
    verify.interrupt(signal);
    const { exitCode, stdout, stderr } = await verify.finished();
    const { requests, outcome, unknownCauses } = JSON.parse(stdout);
    expect(requests).toBeWithin(5, 100);
    expect(stderr).toContain(
      `interrupted: judging the ${requests} requests sent so far; press Ctrl-C again to stop immediately`,
    );
    expect({ outcome, unknownCauses }).toEqual({
      outcome: "could-not-tell",
      unknownCauses: { 502: requests },
    });
    expect(await Bun.file(junit).text()).toContain("without a complete ledger");
    expect(await Bun.file(report).text()).toContain('"outcome":"could-not-tell"');
    expect(exitCode).toBe(130);
  }, 30_000);
}

async function startWaiting(folder: string, backend: { readonly url: string }) {
  const ledger = { count: 3, high: 1, low: 2, unknown: 0 };
  const record = { endMs: 0, status: 200, ledger, isSampled: true, isBroken: false };
  const header = { run: "9f86d081884c7d65", startMs: Date.now(), url: "http://localhost:1" };
  const file = join(folder, "run.ledger");
  await Bun.write(
    file,
    ledgerBytes(header, [
      { sequence: 0, ...record },
      { sequence: 1, ...record },
    ]),
  );
  return startVerify([
    "--run",
    file,
    "--backend",
    `zipkin=${backend.url}`,
    "--max-wait",
    "10m",
    "-o",
    "json",
  ]);
}

test("a signal during the wait ends it: spans that have not arrived may be on the way, so none is called missing", async () => {
  using folder = temporaryFolder();
  await using backend = serveNothing();
  const verify = await startWaiting(folder.path, backend);
  await backend.asked;
  verify.interrupt("SIGINT");
  const { exitCode, stdout, stderr } = await verify.finished();
  expect(JSON.parse(stdout)).toMatchObject({
    outcome: "could-not-tell",
    doubt: "2 traces may still arrive",
    traces: { unknown: 2, "not-found": 0 },
    unknownCauses: { on_the_way: 2 },
    spans: { expected: 6, missing: 0 },
    losses: [],
  });
  expect(JSON.parse(stdout).examples[0].findings).toEqual([
    "0 of 3 spans had arrived when verify was interrupted",
  ]);
  expect(stderr).toContain(
    "interrupted: judging what has arrived for 2 requests; press Ctrl-C again to stop immediately",
  );
  expect(exitCode).toBe(130);
}, 30_000);

test("a second signal exits immediately", async () => {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  // Never answers.
  await using entry = Bun.serve({
    port: 0,
    fetch: () => {
      resolve();
      return new Promise<Response>(() => {});
    },
  });
  await using backend = serveNothing();
  const args = ["--duration", "10m", "--backend", `zipkin=${backend.url}`];
  const verify = startVerify([`http://localhost:${entry.port}`, ...args]);
  await asked;
  verify.interrupt("SIGTERM");
  await Bun.sleep(300);
  verify.interrupt("SIGTERM");
  const { exitCode, stdout } = await verify.finished();
  expect(stdout).toBe("");
  expect(exitCode).toBe(130);
}, 30_000);
