import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import { startCollector } from "../../src/collector/server.ts";
import { ERROR_CODES } from "../../src/lib/errors.ts";
import { runCli, temporaryFolder } from "../helpers/cli.ts";

const ROOT = join(import.meta.dir, "../..");
const CLOSED = "http://127.0.0.1:1";

const folder = temporaryFolder();
const path = (name: string) => join(folder.path, name);
const refusing = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch: () => new Response("no", { status: 500 }),
});
/** An API server that allows nothing. */
const cluster = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch({ url }) {
    const code = new URL(url).pathname.includes("/locked/") ? 401 : 403;
    return Response.json(
      { kind: "Status", apiVersion: "v1", status: "Failure", message: "no", reason: "no", code },
      { status: code },
    );
  },
});
const collector = startCollector({ host: "127.0.0.1", port: 0 });

beforeAll(() => {
  writeFileSync(
    path("bad.yaml"),
    "apiVersion: chain-link.dev/v1\nkind: Topology\nservices: { a: { calls: [b] } }\n",
  );
  writeFileSync(path("bad.json"), "{}");
  writeFileSync(path("bad.conf"), "[DEFAULT]\nno pair\n");
  writeFileSync(path("spans.json"), "no spans\n");
  writeFileSync(path("run.ledger"), "no ledger\n");
  const kubeconfig = (name: string, server: string) =>
    writeFileSync(
      path(name),
      JSON.stringify({
        apiVersion: "v1",
        kind: "Config",
        "current-context": "c",
        clusters: [{ name: "c", cluster: { server } }],
        users: [{ name: "u", user: { token: "t" } }],
        contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
      }),
    );
  kubeconfig("closed.kubeconfig", CLOSED);
  kubeconfig("forbidding.kubeconfig", `http://127.0.0.1:${cluster.port}`);
});

afterAll(async () => {
  await Promise.all([refusing.stop(true), cluster.stop(true), collector.stop()]);
  folder[Symbol.dispose]();
});

/** How to meet each code without a cluster; `hasData`: the command knows `-o json`. */
const CASES: readonly { readonly code: string; readonly args: () => string[]; readonly hasData?: boolean }[] =
  [
    { code: "usage", args: () => ["status", "--nonsense"], hasData: true },
    { code: "usage", args: () => ["load", "ftp://a"], hasData: true },
    { code: "usage", args: () => ["nonsense"], hasData: true },
    {
      code: "topology-invalid",
      args: () => ["generate", path("bad.yaml")],
      hasData: true,
    },
    {
      code: "services-file-invalid",
      args: () => ["link", "--name", "a", "--services-file", path("bad.json")],
    },
    { code: "config-invalid", args: () => ["status", "--config-file", path("bad.conf")], hasData: true },
    { code: "file-unreadable", args: () => ["up", path("nowhere.yaml")], hasData: true },
    {
      code: "file-unwritable",
      args: () => ["load", CLOSED, "--requests", "1", "--hdr", path("none/hdr")],
      hasData: true,
    },
    { code: "collector-unreachable", args: () => ["traces", "export", "--from", CLOSED, path("out.json")] },
    {
      code: "collector-refused",
      args: () => ["traces", "export", "--from", `http://127.0.0.1:${refusing.port}`, path("out.json")],
    },
    { code: "data-invalid", args: () => ["traces", "import", "--to", collector.url, path("spans.json")] },
    { code: "port-busy", args: () => ["collector", "--port", String(collector.port)] },
    { code: "control-failed", args: () => ["fault", "--page", `${CLOSED}/#token=t`], hasData: true },
    { code: "kubeconfig-invalid", args: () => ["status", "--kubeconfig", path("nowhere")], hasData: true },
    {
      code: "cluster-unreachable",
      args: () => ["status", "--kubeconfig", path("closed.kubeconfig")],
      hasData: true,
    },
    {
      code: "forbidden",
      args: () => ["status", "--kubeconfig", path("forbidding.kubeconfig")],
      hasData: true,
    },
    {
      code: "forbidden",
      args: () => ["deploy", "--instances", "1", "--dry-run", "--kubeconfig", path("forbidding.kubeconfig")],
      hasData: true,
    },
    {
      code: "ledger-unreadable",
      args: () => ["verify", "--run", path("run.ledger"), "--backend", `zipkin=${collector.url}`],
      hasData: true,
    },
    {
      code: "backend-unreadable",
      args: () => ["verify", "--propagation", CLOSED, "--backend", `zipkin=${CLOSED}`],
      hasData: true,
    },
  ];

/** The last line, which is JSON. */
function lastOf(stderr: string) {
  return JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "");
}

describe("an error's code", () => {
  test.each(CASES)("$code is printed with -v, and not without", async ({ code, args }) => {
    const [plain, verbose] = await Promise.all([runCli(args()), runCli(["-v", ...args()])]);
    expect(plain.stderr).toContain("ERROR");
    expect(plain.stderr).not.toContain("error code");
    expect(verbose.stderr).toEndWith(`         error code: ${code}\n`);
    expect([plain.stdout, verbose.stdout]).toEqual(["", ""]);
    expect(verbose.exitCode).toBe(plain.exitCode);
    expect(plain.exitCode).toBeGreaterThan(0);
  });

  test.each(CASES.filter(({ hasData }) => hasData))(
    "$code is in the last line of standard error with -o json, and standard output stays empty",
    async ({ code, args }) => {
      for (const flags of [
        ["-o", "json"],
        ["--output=json", "-v"],
      ]) {
        const { stdout, stderr, exitCode } = await runCli([...args(), ...flags]);
        const { error } = lastOf(stderr);
        expect([error.code, stdout]).toEqual([code, ""]);
        expect(stderr).toContain(`ERROR    ${error.message}\n`);
        if (error.hint !== undefined) expect(stderr).toContain(`         ${error.hint}\n`);
        expect(exitCode).toBeGreaterThan(0);
      }
    },
  );

  test("does not spoil a result that is printed in spite of the error", async () => {
    const { stdout, stderr, exitCode } = await runCli([
      ...["load", collector.url, "--requests", "1", "-o", "json", "--hdr", "/dev/full"],
    ]);
    expect(JSON.parse(stdout)).toHaveProperty("requests", 1);
    expect(lastOf(stderr).error.code).toBe("file-unwritable");
    expect(exitCode).toBe(1);
  });
});

describe("docs/errors.md", () => {
  const sources = [...new Glob("src/**/*.ts").scanSync(ROOT)].filter((file) => file !== "src/lib/errors.ts");
  const text = sources.map((file) => readFileSync(join(ROOT, file), "utf8")).join("\n");

  test("lists no code that nothing throws", () => {
    for (const code of Object.keys(ERROR_CODES))
      expect([code, text.includes(`"${code}"`)]).toEqual([code, true]);
  });

  test("lists every code that is thrown", () => {
    const thrown = [...text.matchAll(/new UserError\(\s*"([^"]+)"/g)].map(([, code = ""]) => code);
    expect(thrown.length).toBeGreaterThan(50);
    const listed = readFileSync(join(ROOT, "docs/errors.md"), "utf8");
    for (const code of thrown) expect(listed).toContain(`| \`${code}\` |`);
  });
});
