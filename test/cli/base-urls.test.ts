import { expect, test } from "bun:test";
import { join } from "node:path";
import { RunIds } from "../../src/trace/run.ts";
import { EXECUTABLE, eventually, type Finished, runCli, temporaryFolder } from "../helpers/cli.ts";
import { ledgerBytes } from "../helpers/ledger.ts";
import { answerOnce } from "../helpers/link-process.ts";

const RUN = "9f86d081884c7d65";
const FIRST_TRACE_ID = new RunIds(RUN).traceId(0);
const USER = "us%C3%A9r:p%40ss%3Aword@";
const AUTHORIZATION = `Basic ${Buffer.from("usér:p@ss:word").toString("base64")}`;
/** Any of these in something that the program says would give the password away. */
const SECRETS = ["p@ss:word", "p%40ss", AUTHORIZATION.slice("Basic ".length), "usér", "us%C3%A9r"];

/** One place where a user gives a URL. */
interface Entry {
  /** The path that is to be asked for, after that of the base URL. */
  readonly path: string;
  /** How a URL may already end. @default the path */
  readonly ends?: readonly string[];
  /** Uses the URL once; resolves to what was said. */
  readonly use: (url: string, other: string) => Promise<Pick<Finished, "stdout" | "stderr">>;
}

/** A link that answers one request, so that it exports spans or calls another. */
function linkOnce(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return answerOnce(["-v", "--info", ...args], env);
}

const aSpan = JSON.stringify([{ traceId: "1".repeat(16), id: "2".repeat(16), name: "a", timestamp: 1 }]);
/** The page of a backend, and what it answers to a browser. */
async function pageOnce(url: string) {
  using home = temporaryFolder();
  const child = Bun.spawn([EXECUTABLE, "page", "-v", "--info", "--port", "0", "--backend", `zipkin=${url}`], {
    env: { ...process.env, HOME: home.path },
    stdout: "pipe",
    stderr: "pipe",
  });
  let stderr = "";
  const reading = (async () => {
    const decoder = new TextDecoder();
    for await (const bytes of child.stderr) stderr += decoder.decode(bytes, { stream: true });
  })();
  const page = await eventually(() => /INFO +(http\S+)/.exec(stderr)?.[1]);
  const answers = await Promise.all(
    ["", "api/v2/services"].map(async (path) => (await fetch(page + path)).text()),
  );
  child.kill();
  await reading;
  return { stdout: answers.join("\n"), stderr };
}

/** A ledger with one request that has one span. */
const LEDGER = ledgerBytes({ run: RUN, startMs: Date.now() - 100_000, url: "http://a" }, [
  {
    sequence: 0,
    endMs: 1,
    status: 200,
    ledger: { count: 1, high: 1, low: 1, unknown: 0 },
    isSampled: true,
    isBroken: false,
  },
]);

/** The result as every kind of file that verify writes. */
async function verify(args: readonly string[], hasLedger = true) {
  using folder = temporaryFolder();
  const ledger = join(folder.path, "run.ledger");
  await Bun.write(ledger, LEDGER);
  const files = ["junit", "report"].map((name) => join(folder.path, name));
  const done = await runCli([
    ...["verify", "-v", "--info", "--max-wait", "0s", "-o", "json", ...args],
    ...(hasLedger ? ["--run", ledger] : []),
    ...["--junit", files[0] as string, "--report", files[1] as string],
  ]);
  const texts = await Promise.all(
    files.map((file) =>
      Bun.file(file)
        .text()
        .catch(() => ""),
    ),
  );
  return { ...done, stdout: [done.stdout, ...texts].join("\n") };
}

const ENTRIES: Readonly<Record<string, Entry>> = {
  "link --zipkin": {
    path: "/api/v2/spans",
    ends: ["/api/v2/spans", "/api/v2"],
    use: (url) => linkOnce(["--zipkin", url]),
  },
  "link --otlp": { path: "/v1/traces", use: (url) => linkOnce(["--otlp", url]) },
  OTEL_EXPORTER_OTLP_ENDPOINT: {
    path: "/v1/traces",
    use: (url) => linkOnce([], { OTEL_EXPORTER_OTLP_ENDPOINT: url }),
  },
  OTEL_EXPORTER_ZIPKIN_ENDPOINT: {
    path: "/api/v2/spans",
    use: (url) => linkOnce([], { OTEL_EXPORTER_ZIPKIN_ENDPOINT: url }),
  },
  "link --resolve": {
    path: "/forward",
    use: (url) => linkOnce(["--resolve", `b=${url}`]),
  },
  "load --zipkin": {
    path: "/api/v2/spans",
    use: (url) =>
      runCli([
        "load",
        "-v",
        "--info",
        "--instances",
        "1",
        "--requests",
        "1",
        "--slow",
        "off",
        "--zipkin",
        url,
      ]),
  },
  "load --otlp": {
    path: "/v1/traces",
    use: (url) =>
      runCli(["load", "-v", "--info", "--instances", "1", "--requests", "1", "--slow", "off", "--otlp", url]),
  },
  "up --zipkin": {
    path: "/api/v2/spans",
    use: (url) =>
      runCli([
        "up",
        "-v",
        "--info",
        "--instances",
        "1",
        "--rate",
        "50/s",
        "--slow",
        "off",
        "--duration",
        "100ms",
        "--zipkin",
        url,
      ]),
  },
  "traces export --from": {
    path: "/api/v2/traces",
    ends: ["/api/v2/spans", "/api/v2"],
    use: (url) => runCli(["traces", "export", "-", "-v", "--info", "--from", url]),
  },
  "traces import --to": {
    path: "/api/v2/spans",
    ends: ["/api/v2/spans", "/api/v2"],
    use: (url) => runCli(["traces", "import", "-", "-v", "--info", "--to", url], { stdin: aSpan }),
  },
  "verify --backend zipkin=": {
    path: `/api/v2/trace/${FIRST_TRACE_ID}`,
    ends: ["/api/v2", "/api/v2/spans"],
    use: (url) => verify(["--backend", `zipkin=${url}`]),
  },
  "verify --backend collector=": {
    path: `/api/v2/trace/${FIRST_TRACE_ID}`,
    ends: ["/api/v2"],
    use: (url) => verify(["--backend", `collector=${url}`]),
  },
  "verify --backend jaeger=": {
    path: `/api/v3/traces/${FIRST_TRACE_ID}`,
    ends: ["/api/v3"],
    use: (url) => verify(["--backend", `jaeger=${url}`]),
  },
  "verify --backend tempo=": {
    path: `/api/v2/traces/${FIRST_TRACE_ID}`,
    ends: ["/api/v2"],
    use: (url) => verify(["--backend", `tempo=${url}`]),
  },
  "verify --run": { path: "/ledger", use: (url) => verify(["--run", url], false) },
  "verify --links": {
    path: "/metrics",
    use: (url, other) => verify(["--links", `a=${url}`, "--backend", `zipkin=${other}`]),
  },
  "page --backend": {
    path: "/api/v2/services",
    ends: ["/api/v2"],
    use: (url) => pageOnce(url),
  },
  "fault --page": {
    path: "/api/control",
    ends: [],
    use: (url) => runCli(["fault", "-v", "--info", "--page", `${url}#token=abcdefghijklmnop`]),
  },
};

interface Asked {
  readonly path: string;
  readonly query: string;
  readonly authorization: string | null;
}

/** A server that takes whatever is asked of it, and notes it. */
function startRecorder() {
  const asked: Asked[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      asked.push({ path: pathname, query: search, authorization: request.headers.get("authorization") });
      if (pathname.endsWith("/ledger")) return new Response(LEDGER);
      if (pathname.endsWith("/api/control"))
        return Response.json({ faults: {}, gone: [], services: [], backend: { isDown: false } });
      return Response.json(pathname.endsWith("/v1/traces") ? {} : []);
    },
  });
  return { asked, port: server.port, [Symbol.asyncDispose]: () => server.stop(true) };
}

/** Base URLs after their host, and what comes before and after the API's path in the URL that is asked for. */
const BASES = [
  { base: "", before: "", query: "" },
  { base: "/a/b/", before: "/a/b", query: "" },
  { base: "//base//", before: "/base", query: "" },
  { base: "/v1?tenant=a", before: "/v1", query: "tenant=a" },
];

test.each(Object.keys(ENTRIES))("every base URL of %s gets its API's path and credentials", async (name) => {
  const { path, ends = [path], use } = ENTRIES[name] as Entry;
  const cases = [
    ...BASES,
    ...ends.flatMap((end) => [
      { base: end, before: "", query: "" },
      { base: `/base${end}/`, before: "/base", query: "" },
      { base: `/base${end}?tenant=a`, before: "/base", query: "tenant=a" },
    ]),
  ];
  const runs = cases.map(async ({ base, before, query }) => {
    await using server = startRecorder();
    await using other = startRecorder();
    const said = await use(`http://${USER}127.0.0.1:${server.port}${base}`, `http://127.0.0.1:${other.port}`);
    const text = said.stdout + said.stderr;
    const wanted = server.asked.filter((it) => it.path === before + path && it.query.includes(query));
    return {
      base,
      found: wanted.length > 0 ? "as expected" : [...server.asked.map((it) => it.path + it.query), text],
      authorization: [...new Set(server.asked.map((it) => it.authorization))],
      secrets: SECRETS.filter((secret) => text.includes(secret)),
    };
  });
  expect(await Promise.all(runs)).toEqual(
    cases.map(({ base }) => ({ base, found: "as expected", authorization: [AUTHORIZATION], secrets: [] })),
  );
});
