import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { renderYaml } from "../../src/kubernetes/yaml.ts";
import { EXECUTABLE, temporaryFolder } from "../helpers/cli.ts";

/** Sets a window's title, colors what follows, clears the screen by a C1 control, and reverses the direction of writing. */
const EVIL = "\u001b]0;owned\u0007\u001b[31mEVIL\u009b2J\u202eend\u2028\u007f";
/** The same as a terminal may show it. */
const SHOWN = "^[]0;owned^G^[[31mEVIL\\u009b2J\\u202eend\\u2028\\u007f";
/** As the value of a variable or an argument, and of a header. */
const HEADER_EVIL = "\u009b31mEVIL";

/** Our own colors and cursor movements, and how a terminal ends lines. */
const ESCAPE = "\u001b";
const OURS = new RegExp(
  `${ESCAPE}\\[(?:0|1|2|31|32|33|36)m|\r?${ESCAPE}\\[\\d+A${ESCAPE}\\[0J|\r${ESCAPE}\\[K|\r\n`,
  "g",
);
const OBEYED = /(?![\t\n])[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

const home = temporaryFolder();
const inHome = (name: string) => join(home.path, name);
let server: ReturnType<typeof Bun.serve>;

beforeAll(() => {
  writeFileSync(
    inHome("names.yaml"),
    JSON.stringify({
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      metadata: { name: EVIL },
      services: { a: { entry: true } },
    }),
  );
  writeFileSync(
    inHome("wrong.yaml"),
    JSON.stringify({
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      services: { [EVIL]: { [EVIL]: 1 } },
    }),
  );
  writeFileSync(inHome("isotope.yaml"), JSON.stringify({ services: [{ name: EVIL, [EVIL]: EVIL }] }));
  writeFileSync(inHome("services.json"), JSON.stringify([EVIL]));
  writeFileSync(inHome("spans.json"), JSON.stringify([{ traceId: EVIL, id: "1" }]));
  writeFileSync(inHome("settings"), `[DEFAULT]\n${EVIL.replace("\u2028", "")} = 3\n`);
  // What a hostile API server, collector, page or load target answers.
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname } = new URL(request.url);
      const headers = { Warning: `299 - "${Buffer.from(HEADER_EVIL).toString("latin1")}"` };
      if (/^\/api(s|\/v1)/.test(pathname)) {
        const status = {
          kind: "Status",
          apiVersion: "v1",
          status: "Failure",
          reason: EVIL,
          message: EVIL,
          code: 422,
        };
        return Response.json(status, { status: 422, headers });
      }
      if (pathname === "/api/control") return new Response(EVIL, { status: 500 });
      return new Response(EVIL, { status: 400 });
    },
  });
  writeKubeconfig("kubeconfig", { token: "t" });
  writeKubeconfig("plugin", {
    exec: { apiVersion: "client.authentication.k8s.io/v1", command: `./${EVIL}`, installHint: EVIL },
  });
  writeKubeconfig("printing", {
    exec: {
      apiVersion: "client.authentication.k8s.io/v1",
      command: "/bin/echo",
      args: [JSON.stringify({ kind: EVIL, apiVersion: EVIL })],
    },
  });
});
afterAll(async () => {
  await server.stop(true);
  home[Symbol.dispose]();
});

function writeKubeconfig(name: string, user: object): void {
  const config = {
    "current-context": EVIL,
    clusters: [{ name: EVIL, cluster: { server: server.url.origin } }],
    users: [{ name: EVIL, user: { ...user } }],
    contexts: [{ name: EVIL, context: { cluster: EVIL, user: EVIL } }],
  };
  writeFileSync(inHome(name), renderYaml(config as never));
}

const cluster = (...args: string[]) => [
  ...args,
  "--kubeconfig",
  inHome("kubeconfig"),
  "--request-timeout",
  "2s",
];
const url = () => server.url.origin;

/** What prints foreign text, the arguments, and whether all of it is shown. */
const CASES: readonly (readonly [title: string, args: () => string[], env?: Record<string, string>])[] = [
  [
    "up: a topology's name",
    () => ["up", inHome("names.yaml"), "--port", "0", "--duration", "100ms", "--no-load"],
  ],
  [
    "generate: a topology's name",
    () => ["generate", "-v", inHome("names.yaml"), "--output-directory", inHome("o")],
  ],
  ["generate: problems of a document", () => ["generate", inHome("wrong.yaml")]],
  ["generate: a file that is not there", () => ["generate", EVIL]],
  ["generate: an output folder", () => ["generate", "--output-directory", `/dev/null/${EVIL}`]],
  ["generate: keys of a configuration file", () => ["generate", "--config-file", inHome("settings")]],
  ["import: an isotope document", () => ["import", "isotope", inHome("isotope.yaml")]],
  ["an unknown command", () => [EVIL]],
  ["an unknown flag", () => ["up", `--${EVIL}`]],
  ["a wrong value", () => ["up", "--rate", EVIL]],
  [
    "--info: a variable",
    () => ["link", "--info", "--services-file", inHome("none")],
    { CHAIN_LINK_SERVICE_NAME: EVIL },
  ],
  [
    "link: a services file",
    () => ["link", "--port", "0", "--services-file", inHome("services.json"), "--name", "a"],
  ],
  ["link: a variable of the platform", () => ["link", "--port", "0"], { OTEL_TRACES_SAMPLER: EVIL }],
  ["load: a target", () => ["load", `http://127.0.0.1:1/${EVIL}`, "--requests", "1"]],
  [
    "verify: what a backend answers",
    () => ["verify", url(), "--requests", "1", "--backend", `zipkin=${url()}`],
  ],
  ["traces export: what a collector answers", () => ["traces", "export", "-", "--from", url()]],
  [
    "traces import: what a collector answers",
    () => ["traces", "import", inHome("spans.json"), "--to", url()],
  ],
  ["fault: what a page answers", () => ["fault", "--page", `${url()}/#token=x`]],
  ["page: a release", () => cluster("page", "--release", "r")],
  ["deploy", () => cluster("deploy")],
  ["dry-run", () => cluster("dry-run")],
  ["validate", () => cluster("validate")],
  ["status", () => cluster("status")],
  ["history", () => cluster("history")],
  ["rollback", () => cluster("rollback")],
  ["delete", () => cluster("delete", "--yes")],
  ["verify --release", () => cluster("verify", "--release", "r", "--requests", "1")],
  ["kubeconfig: a context", () => cluster("status", "-v", "--context", `x${EVIL}`)],
  ["kubeconfig: a plugin that cannot be started", () => ["status", "--kubeconfig", inHome("plugin")]],
  ["kubeconfig: what a plugin prints", () => ["status", "--kubeconfig", inHome("printing")]],
  ["collector: a data file", () => ["collector", "--port", "0", "--data", `/dev/null/${EVIL}`]],
];

describe.each([
  ["in a terminal, with colors", true],
  ["in a pipe", false],
])("with %s, foreign text cannot control the terminal", (_place, isTerminal) => {
  test.concurrent.each(CASES)("%s", async (_title, args, added = {}) => {
    const { text, exitCode } = await run(args(), added, isTerminal);
    expect(exitCode).not.toBeNull();
    const foreign = text.replace(OURS, "\n");
    expect(foreign.match(OBEYED)).toBeNull();
    expect(text).not.toContain("\u001b[31mEVIL");
    if (!isTerminal) expect(text).not.toContain("\u001b");
    // Our own colors are still there.
    else if (/ERROR {4}/.test(foreign)) expect(text).toContain("\u001b[31mERROR");
  });
});

test("most of these commands show the text with escaped control characters", async () => {
  const texts = await Promise.all(CASES.map(([, args, env = {}]) => run(args(), env, false)));
  const silent = CASES.filter((_, index) => !texts[index]?.text.toLowerCase().includes("evil")).map(
    ([title]) => title,
  );
  expect(silent).toEqual([]);
  const { text } = await run(["generate", "-v", inHome("names.yaml"), "-o", "json"], {}, false);
  expect(text).toContain(`topology ${SHOWN}: 1 services`);
});

test("a foreign line feed cannot start a message of its own", async () => {
  writeFileSync(
    inHome("lines.yaml"),
    JSON.stringify({
      apiVersion: "chain-link.dev/v1",
      kind: "Topology",
      metadata: { name: "x\nINFO     Deleted everything" },
      services: { a: { entry: true } },
    }),
  );
  const { text } = await run(["generate", "-v", inHome("lines.yaml"), "-o", "json"], {}, false);
  expect(text).not.toMatch(/^INFO {5}Deleted/m);
  expect(text).toContain("Deleted everything");
});

/** Everything that the command writes, of both streams. Long-running ones are ended. */
async function run(
  args: readonly string[],
  added: Readonly<Record<string, string>>,
  isTerminal: boolean,
): Promise<{ text: string; exitCode: number | null }> {
  const env = { PATH: process.env.PATH ?? "", HOME: home.path, TERM: "xterm", ...added };
  let text = "";
  const decoder = new TextDecoder();
  const take = (bytes: Uint8Array) => {
    text += decoder.decode(bytes, { stream: true });
    // Those that would serve for ever.
    if (/listening on |links? up/.test(text)) child.kill("SIGINT");
  };
  const child = isTerminal
    ? Bun.spawn([EXECUTABLE, ...args], {
        env,
        terminal: { cols: 100, rows: 30, data: (_terminal, bytes) => take(bytes) },
      })
    : Bun.spawn([EXECUTABLE, ...args], { env, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const drain = async (stream: unknown) => {
    if (stream instanceof ReadableStream) for await (const bytes of stream) take(bytes);
  };
  await Promise.all([drain(child.stdout), drain(child.stderr)]);
  const exitCode = await child.exited;
  child.terminal?.close();
  return { text, exitCode };
}
