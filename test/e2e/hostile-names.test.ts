import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Browser, chromium, type Page } from "playwright-core";
import type { ControlState } from "../../src/contract/control.ts";
import type { DependencyLink } from "../../src/contract/dependency-link.ts";
import type { PropagationResult } from "../../src/contract/propagation-result.ts";
import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { buildObjects } from "../../src/kubernetes/objects.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import { encodeOtlpJson } from "../../src/trace/otlp.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, newTraceId } from "../collector/spans.ts";
import { eventually, type RunningUp, runCli, startUp, temporaryFolder } from "../helpers/cli.ts";
import { type CollectorProcess, startCollectorProcess } from "../helpers/collector-process.ts";
import { encodeZipkinProtobuf } from "../helpers/zipkin-protobuf.ts";

/**
 * Labels that are valid names of Services in Kubernetes but break programs that use names as keys of objects, or in
 * YAML.
 */
const LABELS = [
  "constructor",
  "prototype",
  "then",
  "null",
  "true",
  "no",
  "y",
  "undefined",
  "zipkin",
  "a".repeat(63),
];

/** Spans of other programs may have any name. Zipkin lower-cases names. */
const SERVICES = [
  "__proto__",
  "hasownproperty",
  "constructor",
  "a > b",
  "line\nbreak",
  "\u001b[31mred\u0007",
  "\u202emirrored",
  "<img src=x onerror=alert(1)>",
  `🦄 "é' %2f ../,`,
  "x".repeat(5000),
];

const CHROMIUM = "/usr/bin/chromium";
// A browser takes seconds to start on a small machine.
const TIMEOUT_MS = 60_000;

/** Each service calls two others, because the page lays out a plain chain without its layout library. */
function callsOf(names: readonly string[]): (readonly [from: string, to: string])[] {
  return names.slice(1).map((to, index) => [names[index >> 1] as string, to] as const);
}

function calleesOf(name: string, names: readonly string[]): string[] {
  return callsOf(names).flatMap(([from, to]) => (from === name ? [to] : []));
}

const DOCUMENT = JSON.stringify({
  apiVersion: "chain-link.dev/v1",
  kind: "Topology",
  metadata: { name: "__proto__" },
  services: Object.fromEntries(
    LABELS.map((name, index) => [
      name,
      { ...(index === 0 && { entry: true }), calls: calleesOf(name, LABELS) },
    ]),
  ),
});

function makeSpans(): Span[] {
  const traceId = newTraceId();
  const startUs = (Date.now() - 60_000) * 1000;
  return SERVICES.flatMap((name, index): Span[] => {
    const times = { traceId, timestamp: startUs + index * 1000, duration: 100_000 - index * 2000 };
    const tags = Object.fromEntries([["__proto__", "own"]]);
    const localEndpoint = { serviceName: name };
    const server: Span = { ...times, id: hexId(1 + index), kind: "SERVER", name, localEndpoint, tags };
    if (index === 0) return [server];
    const client: Span = {
      ...times,
      id: hexId(100 + index),
      parentId: hexId(1 + ((index - 1) >> 1)),
      kind: "CLIENT",
      name: "get",
      localEndpoint: { serviceName: SERVICES[(index - 1) >> 1] as string },
      remoteEndpoint: { serviceName: name },
      tags: { "peer.service": name },
    };
    return [client, { ...server, parentId: client.id }];
  });
}

const sorted = (names: Iterable<string>) => [...names].sort();
const getJson = async <T>(url: string) => (await (await fetch(url)).json()) as T;

describe("hostile labels pass every entry point of a topology", () => {
  const home = temporaryFolder();
  const file = join(home.path, "names.json");
  const env = { HOME: home.path };
  let up: RunningUp;

  beforeAll(async () => {
    writeFileSync(file, DOCUMENT);
    up = await startUp([file, "--port", "0", "--rate", "50/s"], { env });
  }, TIMEOUT_MS);
  afterAll(async () => {
    up?.signal("SIGINT");
    await up?.exited;
    home[Symbol.dispose]();
  });

  test("a topology document keeps every service", () => {
    const topology = parseTopology(DOCUMENT, "names.json");
    expect([...topology.services.keys()]).toEqual(LABELS);
    for (const { name, steps } of topology.services.values())
      expect(steps.flat()).toMatchObject(calleesOf(name, LABELS).map((service) => ({ service })));
  });

  test("a YAML document with plain keys keeps every service", () => {
    const plain = LABELS.map((name, index) => `  ${name}: ${index === 0 ? "{ entry: true }" : ""}`);
    const text = `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n${plain.join("\n")}\n`;
    expect([...parseTopology(text, "names.yaml").services.keys()]).toEqual(LABELS);
  });

  test("'import isotope' keeps every service", async () => {
    const services = LABELS.map((name, index) => ({
      name,
      ...(index === 0 && { isEntrypoint: true }),
      script: calleesOf(name, LABELS).map((call) => ({ call })),
    }));
    const graph = JSON.stringify({ apiVersion: "v1alpha1", kind: "MockServices", services });
    const { stdout, exitCode } = await runCli(["import", "isotope", "-"], { stdin: graph, env });
    expect(exitCode).toBe(0);
    const topology = parseTopology(stdout, "imported");
    expect([...topology.services.keys()]).toEqual(LABELS);
    expect(topology.services.get("constructor")?.steps.flat()).toMatchObject([
      { service: "prototype" },
      { service: "then" },
    ]);
  });

  test("generate writes the objects of every service, into a folder and as a stream", async () => {
    const folder = join(home.path, "manifests");
    const written = await runCli(["generate", file, "--output-directory", folder], { env });
    expect(written.exitCode).toBe(0);
    const deployments = readdirSync(folder).flatMap(
      (name) => /^(.*)-deployment\.yaml$/.exec(name)?.[1] ?? [],
    );
    expect(sorted(deployments)).toEqual(sorted([...LABELS, "zipkin-deployment"]));
    const { stdout } = await runCli(["generate", file, "-o", "json"], { env });
    const objects = JSON.parse(stdout).items as { kind: string; metadata: { name: string } }[];
    const of = (kind: string) => objects.filter((it) => it.kind === kind).map((it) => it.metadata.name);
    expect(of("Deployment")).toEqual(["zipkin-deployment", ...LABELS]);
    expect(of("Service")).toEqual(["zipkin-service", ...LABELS]);
    const again = await runCli(["generate", file, "--output-directory", folder], { env });
    expect(again.exitCode).toBe(0);
  });

  test("deploy builds the objects of every service, and the canary gets the whole graph", () => {
    const topology = parseTopology(DOCUMENT, "names.json");
    const objects = buildObjects(topology, {
      namespace: "demo",
      image: "i",
      canary: true,
      networkPolicy: "edges",
    });
    const policies = objects
      .filter(({ kind }) => kind === "NetworkPolicy")
      .map(({ metadata }) => metadata.name);
    expect(policies).toEqual(expect.arrayContaining(LABELS));
    const graphs = objects.flatMap(({ kind, data }) =>
      kind === "ConfigMap" ? Object.values(data as object) : [],
    );
    const graph = graphs.find((text) => text.includes("chain-link.dev/v1"));
    expect([...parseTopology(graph, "graph").services.keys()]).toEqual(LABELS);
    const entries = objects.flatMap(({ kind, spec }) =>
      kind === "Deployment" ? [JSON.stringify(spec)] : [],
    );
    for (const name of LABELS)
      expect(
        entries.some((text) => text.includes(`{"name":"CHAIN_LINK_SERVICE_NAME","value":"${name}"}`)),
      ).toBe(true);
  });

  test("every service of up answers and has spans", async () => {
    expect(up.facts.name).toBe("__proto__");
    expect(up.facts.links.map(({ name }) => name)).toEqual(LABELS);
    const services = await eventually(async () => {
      const names = await getJson<string[]>(`${up.facts.collector}/api/v2/services`);
      return names.length === LABELS.length ? names : undefined;
    });
    expect(services).toEqual(sorted(LABELS));
    const topology = await getJson<{ services: { name: string }[] }>(`${up.facts.collector}/api/topology`);
    expect(topology.services.map(({ name }) => name)).toEqual(LABELS);
  });

  test("a link's metrics have its name", async () => {
    for (const { name, url } of up.facts.links)
      expect(await (await fetch(`${url}/metrics`)).text()).toContain(`service="${name}"`);
  });

  test("a link runs with a topology, with a list of services and as an entry", async () => {
    const list = join(home.path, "services.json");
    writeFileSync(list, JSON.stringify(LABELS));
    const urlOf = (wanted: string) => up.facts.links.find(({ name }) => name === wanted)?.url;
    const resolve = ["prototype", "then"].flatMap((name) => ["--resolve", `${name}=${urlOf(name)}`]);
    const forms = [
      ["--topology", file, "--name", "constructor", ...resolve],
      ["--services-file", list, "--name", "constructor", "--slow", "off", ...resolve],
    ];
    for (const form of forms) {
      const link = Bun.spawn(
        [
          join(import.meta.dir, "../../bin/chain-link"),
          "link",
          ...form,
          "--port",
          "0",
          "--host",
          "127.0.0.1",
        ],
        { stdout: "ignore", stderr: "pipe", env: { PATH: process.env.PATH ?? "", HOME: home.path } },
      );
      let log = "";
      for await (const chunk of link.stderr) {
        log += new TextDecoder().decode(chunk);
        const [url] = /http:\/\/127\.0\.0\.1:\d+/.exec(log) ?? [];
        if (url === undefined) continue;
        const response = await fetch(url);
        expect(response.status).toBe(200);
        break;
      }
      link.kill("SIGKILL");
      await link.exited;
    }
  });

  test("load sends requests to a topology", async () => {
    const { exitCode, stdout } = await runCli(
      ["load", file, "--rate", "50/s", "--requests", "5", "-o", "json"],
      {
        env,
      },
    );
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ succeeded: 5, failed: 0 });
  });

  test(
    "verify names every call in JSON, JUnit and the report",
    async () => {
      const [junit, report] = [join(home.path, "verify.xml"), join(home.path, "verify.html")];
      const more = ["--junit", junit, "--report", report, "-o", "json"];
      const { exitCode, stdout, stderr } = await runCli(
        ["verify", file, "--rate", "50/s", "--requests", "5", ...more],
        { env },
      );
      expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
      const result = JSON.parse(stdout) as VerifyResult;
      expect(result.calls).toEqual(callsOf(LABELS).map(([from, to]) => `${from} > ${to}`));
      expect(result.spans).toMatchObject({ expected: 5 * (2 * LABELS.length - 1), missing: 0 });
      expect(readFileSync(junit, "utf8")).toContain('failures="0"');
      for (const name of LABELS) expect(readFileSync(report, "utf8")).toContain(name);
    },
    TIMEOUT_MS,
  );

  test(
    "verify --propagation lists every edge",
    async () => {
      const { stdout } = await runCli(["verify", "--propagation", file, "-o", "json"], { env });
      const result = JSON.parse(stdout) as PropagationResult;
      expect(result.outcome).toBe("kept");
      const edges = ["(verify) > constructor", ...callsOf(LABELS).map(([from, to]) => `${from} > ${to}`)];
      expect(sorted(result.edges)).toEqual(sorted(edges));

      for (const form of result.forms) expect(sorted(Object.keys(form.edges))).toEqual(sorted(edges));
    },
    TIMEOUT_MS,
  );

  test("a fault is set, listed and cleared for exactly the named service", async () => {
    const page = { ...env, CHAIN_LINK_PAGE: up.facts.page ?? "" };
    await Promise.all(
      LABELS.slice(0, 3).map((name) => runCli(["fault", name, "--latency", "1ms"], { env: page })),
    );
    const { stdout } = await runCli(["fault", "-o", "json"], { env: page });
    expect(sorted(Object.keys((JSON.parse(stdout) as ControlState).faults))).toEqual(
      sorted(LABELS.slice(0, 3)),
    );
    expect((await runCli(["fault", "--clear"], { env: page })).stdout).toBe("no link has a fault\n");
  });

  test("the configuration file and the command line reject such a key or flag", async () => {
    const config = join(home.path, "chain-link.conf");
    writeFileSync(config, "[DEFAULT]\nconstructor = 3\n__proto__ = 4\n");
    const { exitCode, stderr } = await runCli(["generate", "-o", "json", "--config-file", config], { env });
    expect(exitCode).toBe(0);
    expect(stderr).toContain("unknown key constructor");
    expect(stderr).toContain("unknown key __proto__");
    for (const flag of ["--constructor", "--__proto__", "--toString"])
      expect(await runCli(["generate", flag], { env })).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(`unknown flag ${flag}`),
      });
  });

  test("keys that every object inherits are unknown keys of a document", () => {
    const keys = ["constructor", "prototype", "__proto__", "toString", "hasOwnProperty"];
    const text = `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n  a:\n    entry: true\n${keys.map((key) => `    ${key}: 1\n`).join("")}`;
    for (const key of keys) expect(() => parseTopology(text, "x")).toThrow(`found "${key}"`);
  });

  test.skipIf(!existsSync(CHROMIUM))(
    "the page of up shows a node without a fault for each service, and does not offer to clear one",
    () =>
      withPage(async (page) => {
        await page.goto(up.facts.page ?? "");
        for (const name of LABELS) await page.locator(`[data-id="${name}"]`).waitFor();
        expect(await page.locator(".fault-mark").count()).toBe(0);
        await page.locator('[data-id="constructor"]').click();
        expect(await page.getByRole("button", { name: "Clear", exact: true }).isDisabled()).toBe(true);
      }),
    TIMEOUT_MS,
  );
});

describe("spans with hostile service names pass every entry point of a collector", () => {
  const home = temporaryFolder();
  const spans = makeSpans();
  let collector: CollectorProcess;

  beforeAll(async () => {
    collector = await startCollectorProcess();
    const forms = [
      ["/api/v2/spans", "application/json", JSON.stringify(spans.slice(0, 8))],
      ["/api/v2/spans", "application/x-protobuf", encodeZipkinProtobuf(spans.slice(8, 14))],
      ["/v1/traces", "application/json", otlpOf(spans.slice(14))],
    ] as const;
    for (const [path, type, body] of forms) {
      const response = await fetch(collector.url + path, {
        method: "POST",
        headers: { "Content-Type": type },
        body,
      });
      expect(response.ok).toBe(true);
    }
  });
  afterAll(async () => {
    collector?.signal("SIGINT");
    await collector?.exited;
    home[Symbol.dispose]();
  });

  test("every name in Zipkin JSON, Zipkin protobuf and OTLP becomes a service", async () => {
    expect(sorted(await getJson<string[]>(`${collector.url}/api/v2/services`))).toEqual(sorted(SERVICES));
  });

  test("a search by each name finds its trace, its callee and its tag named __proto__", async () => {
    for (const name of SERVICES) {
      const query = `serviceName=${encodeURIComponent(name)}`;
      const [trace = []] = await getJson<Span[][]>(`${collector.url}/api/v2/traces?${query}`);
      expect(trace).toHaveLength(spans.length);
      const callees = await getJson<string[]>(`${collector.url}/api/v2/remoteServices?${query}`);
      expect(callees).toEqual(sorted(calleesOf(name, SERVICES)));
    }
    const [trace = []] = await getJson<Span[][]>(
      `${collector.url}/api/v2/traces?annotationQuery=__proto__%3Down`,
    );
    const tagged = trace.filter(({ tags }) => tags !== undefined && Object.hasOwn(tags, "__proto__"));
    expect(tagged).toHaveLength(SERVICES.length);
  });

  test("the dependencies match the trace", async () => {
    const links = await getJson<DependencyLink[]>(`${collector.url}/api/v2/dependencies?endTs=${Date.now()}`);
    expect(sorted(links.map(({ parent, child }) => JSON.stringify([parent, child])))).toEqual(
      sorted(callsOf(SERVICES).map((call) => JSON.stringify(call))),
    );
  });

  test.each(["zipkin", "otlp"])(
    "traces export and import keep the names in the format %s",
    async (format) => {
      const file = join(home.path, `traces.${format}`);
      const exported = await runCli(["traces", "export", file, "--format", format, "--from", collector.url]);
      expect(exported.exitCode).toBe(0);
      const other = await startCollectorProcess();
      try {
        expect((await runCli(["traces", "import", file, "--to", other.url])).exitCode).toBe(0);
        const names = await getJson<string[]>(`${other.url}/api/v2/services`);
        expect(sorted(names)).toEqual(sorted(SERVICES));
      } finally {
        other.signal("SIGINT");
        await other.exited;
      }
    },
  );

  test.skipIf(!existsSync(CHROMIUM))(
    "the page shows the names in its list, trace, comparison, past graph and an opened file",
    () =>
      withPage(async (page) => {
        const traceId = spans[0]?.traceId;
        const expectAll = async () => {
          for (const name of SERVICES.slice(0, 9))
            await page.getByText(name.replace("\n", " ").trim(), { exact: false }).first().waitFor();
        };
        await page.goto(`${collector.url}/?view=traces`);
        await page.locator("a.trace").waitFor();
        await page.goto(`${collector.url}/?trace=${traceId}`);
        await expectAll();
        await page.goto(`${collector.url}/?compare=${traceId},${traceId}`);
        await page.goto(collector.url);
        for (const name of SERVICES) await page.evaluate(WAIT_FOR_NODE, name);
        expect(
          await page.evaluate(
            "(() => { const names = []; for (const name in {}) names.push(name); return names; })()",
          ),
        ).toEqual([]);
        await page.goto(`${collector.url}/?view=traces`);
        await page.getByLabel("Open a file").setInputFiles({
          name: "spans.json",
          mimeType: "application/json",
          buffer: Buffer.from(JSON.stringify(spans)),
        });
        await page.locator("a.trace").first().click();
        await expectAll();
      }),
    TIMEOUT_MS,
  );
});

const WAIT_FOR_NODE = `(name) => new Promise((resolve) => {
  const look = () => document.querySelector('[data-id="' + CSS.escape(name) + '"]') ? resolve() : setTimeout(look, 20);
  look();
})`;

function otlpOf(spans: readonly Span[]): string {
  const groups = Map.groupBy(spans, (span) => span.localEndpoint?.serviceName ?? "");
  const requests = Array.from(
    groups,
    ([serviceName, group]) =>
      JSON.parse(
        encodeOtlpJson(group, {
          attributes: { "service.name": serviceName },
          scope: { name: "test", version: "1" },
        }),
      ) as { resourceSpans: unknown[] },
  );
  return JSON.stringify({ resourceSpans: requests.flatMap(({ resourceSpans }) => resourceSpans) });
}

/** Fails when the page logged an error. */
async function withPage(use: (page: Page) => Promise<void>): Promise<void> {
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.setDefaultTimeout(10_000);
  page.on("pageerror", (error) => errors.push(error.message));
  page.on("console", (message) => {
    if (message.type() === "error" && !/status of 404/.test(message.text())) errors.push(message.text());
  });
  page.on("dialog", (dialog) => {
    errors.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  try {
    await use(page);
    expect(errors).toEqual([]);
  } finally {
    await browser.close();
  }
}
