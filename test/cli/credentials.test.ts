import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { runCli, startUp, temporaryFolder } from "../helpers/cli.ts";
import { answerOnce } from "../helpers/link-process.ts";

const SECRET = "s3cr3t";
const AUTHORIZATION = `Basic ${Buffer.from(`user:${SECRET}`).toString("base64")}`;

function startServer(headers: Headers[]) {
  return Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      headers.push(request.headers);
      return Response.json([]);
    },
  });
}

describe("the user of a load's target", () => {
  test.each([
    ["load", ["--ledger", "run.ledger", "-o", "json"]],
    ["load", ["--hdr", "run.hgrm", "--serve", "0"]],
    ["verify", ["-o", "json", "--max-wait", "0s", "--junit", "run.xml", "--report", "run.html"]],
    ["verify", ["--propagation", "--max-wait", "0s"]],
  ])("is sent by %s %j, and never printed or written", async (command, flags) => {
    const seen: Headers[] = [];
    await using server = startServer(seen);
    using folder = temporaryFolder();
    const url = `http://user:${SECRET}@127.0.0.1:${server.port}/path/`;
    const done = await runCli([command, url, "--requests", "1", "-v", "--info", ...flags], {
      cwd: folder.path,
      env: { CHAIN_LINK_BACKEND: `zipkin=http://127.0.0.1:${server.port}` },
    });
    const targets = seen.filter((headers) => headers.get("authorization") !== null);
    expect(targets.length).toBeGreaterThan(0);
    expect(new Set(targets.map((headers) => headers.get("authorization")))).toEqual(new Set([AUTHORIZATION]));
    const files = await Promise.all(
      [...new Bun.Glob("*").scanSync(folder.path)].map((name) => Bun.file(join(folder.path, name)).text()),
    );
    const said = [done.stdout, done.stderr, ...files].join("\n");
    expect(said).toContain(String(server.port));
    expect(said).not.toContain(SECRET);
    expect(said).not.toContain(AUTHORIZATION.slice(6));
  });

  test("is overridden by a given header", async () => {
    const seen: Headers[] = [];
    await using server = startServer(seen);
    const url = `http://user:${SECRET}@127.0.0.1:${server.port}`;
    await runCli(["load", url, "--requests", "1", "-H", "authorization: Bearer x"]);
    expect(seen.map((headers) => headers.get("authorization"))).toEqual(["Bearer x"]);
  });
});

test.each([
  [["load", `user:${SECRET}@h:9`]],
  [["load", `http://user:${SECRET}/x@h:99999`]],
  [["load", `ftp://user:${SECRET}@h`]],
  [["up", `http://user:${SECRET}@h/topology.yaml`]],
  [["link", "--zipkin", `user:${SECRET}@h`]],
  [["link", "--resolve", `b=http://user:${SECRET}@h:x,c=http://h`]],
  [["verify", "http://h", "--backend", `tempo=http://user:${SECRET}@h:0`]],
  [["verify", "http://h", "--backend", `other=http://user:${SECRET}@h`]],
  [["verify", "http://h", "--backend-page", `http://user:${SECRET}@h/{traceId}`]],
  [["verify", "--run", `http://user:${SECRET}@h:x`]],
  [["page", "--backend", `zipkin=user:${SECRET}@h`]],
  [["traces", "export", "-", "--from", `user:${SECRET}@h`]],
  [["traces", "export", "-", `http://user:${SECRET}@h`]],
  [["fault", "--page", `http://h/${SECRET}#token=${SECRET}!`]],
  [["fault", "--page", `http://user:${SECRET}@h/`]],
  [["load", "http://h", "-H", `X-Api-Key ${SECRET}`]],
  [["collector", "--control", SECRET]],
  [["generate", "-o", "yaml", "--collector", `http://user:${SECRET}@h`]],
])("%j is refused without its secret", async (args) => {
  const { exitCode, stderr, stdout } = await runCli(args);
  expect(exitCode).toBeGreaterThan(0);
  expect(stderr).toMatch(/^ERROR /m);
  expect((stdout + stderr).replaceAll(`/${SECRET}#`, "")).not.toContain(SECRET);
});

test("--info shows that a header or a token is set, but not its value", async () => {
  await using server = startServer([]);
  const url = `http://127.0.0.1:${server.port}`;
  const { stderr } = await runCli(["load", url, "--requests", "1", "--info", "-H", `X-Api-Key: ${SECRET}`]);
  expect(stderr).toMatch(/^header +X-Api-Key: \*\*\* +--header$/m);
  expect(stderr).not.toContain(SECRET);
  const port = String(server.port);
  const collector = await runCli([
    "collector",
    "--info",
    "--control",
    `${SECRET}-0123456789`,
    "--port",
    port,
  ]);
  expect(collector.stderr).toMatch(/^control +\*\*\* +--control$/m);
  expect(collector.stderr).not.toContain(SECRET);
});

test("'fault' works through a proxy with credentials", async () => {
  const up = await startUp(["--instances", "1", "--no-load", "--port", "0"]);
  const page = new URL(up.facts.page as string);
  await using proxy = Bun.serve({
    port: 0,
    async fetch(request) {
      if (request.headers.get("authorization") !== AUTHORIZATION)
        return new Response("who?", { status: 401 });
      const { pathname } = new URL(request.url);
      const headers = new Headers(request.headers);
      headers.delete("authorization");
      headers.set("host", page.host);
      const { method } = request;
      return fetch(page.origin + pathname.replace("/behind", ""), { method, headers, body: request.body });
    },
  });
  const [link] = up.facts.links;
  const url = `http://user:${SECRET}@127.0.0.1:${proxy.port}/behind/${page.hash}`;
  const { exitCode, stdout, stderr } = await runCli([
    "fault",
    link?.name ?? "",
    "--latency",
    "5ms",
    "--page",
    url,
  ]);
  up.signal("SIGKILL");
  await up.exited;
  expect(stderr).toBe("");
  expect(stdout).toContain("+5 ms");
  expect(exitCode).toBe(0);
});

test("spans of calls have the callee's URL without credentials", async () => {
  const bodies: string[] = [];
  await using receiver = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    async fetch(request) {
      bodies.push(await request.text());
      return new Response(null, { status: 202 });
    },
  });
  const seen: Headers[] = [];
  await using callee = startServer(seen);
  const url = `http://user:${SECRET}@127.0.0.1:${callee.port}`;
  const args = ["--resolve", `b=${url}`, "--zipkin", `http://127.0.0.1:${receiver.port}`, "--tags", "full"];
  const { stdout, stderr } = await answerOnce([...args, "--access-log"]);
  expect(seen.map((headers) => headers.get("authorization"))).toEqual([AUTHORIZATION]);
  expect(bodies.join()).toContain(`http://127.0.0.1:${callee.port}/forward`);
  expect(bodies.join() + stdout + stderr).not.toContain(SECRET);
});
