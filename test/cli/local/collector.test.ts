import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:http2";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeOtlpJson } from "../../../src/trace/otlp.ts";
import type { Span } from "../../../src/trace/span.ts";
import { makeChain, newTraceId } from "../../collector/spans.ts";
import { eventually, runCli } from "../../helpers/cli.ts";
import { startCollectorProcess } from "../../helpers/collector-process.ts";

const folder = mkdtempSync(join(tmpdir(), "chain-link-collector-"));
afterAll(() => rmSync(folder, { recursive: true }));

const post = (url: string, traceId: string, links = 3, ageMs = 1000) =>
  fetch(`${url}/api/v2/spans`, {
    method: "POST",
    body: JSON.stringify(makeChain(traceId, links, Date.now() - ageMs)),
  });

test("spans in a file survive kill -9, and a second process is refused because the file is in use", async () => {
  const file = join(folder, "spans.db");
  const first = await startCollectorProcess(["--data", file]);
  const ids = Array.from({ length: 30 }, newTraceId);
  for (const id of ids) expect((await post(first.url, id)).status).toBe(202);
  const refused = await runCli(["collector", "--port", "0", "--data", file]);
  expect(refused.exitCode).toBe(1);
  expect(refused.stderr).toContain(`${file} is used by another process.`);
  first.signal("SIGKILL");
  await first.exited;
  const second = await startCollectorProcess(["--data", file]);
  expect(second.stderr()).toContain("listening on");
  for (const id of ids) expect((await fetch(`${second.url}/api/v2/trace/${id}`)).status).toBe(200);
  second.signal("SIGTERM");
  expect(await second.exited).toBe(0);
  expect(second.stderr()).toContain("stopped with 150 spans stored, 0 evicted, 0 refused");
});

const getJson = async (url: string) => (await fetch(url)).json() as Promise<unknown>;

test("only a client with the --control token can pause span ingestion", async () => {
  const token = "0123456789abcdef-token";
  const collector = await startCollectorProcess(["--control", token]);
  expect(collector.stderr()).toContain("listening on");
  const setDown = (isDown: boolean, headers: Record<string, string>) =>
    fetch(`${collector.url}/api/control/backend`, {
      method: "PUT",
      headers: { "Content-Type": "application/json", ...headers },
      body: JSON.stringify({ isDown }),
    });
  expect((await setDown(true, {})).status).toBe(401);
  expect((await setDown(true, { Authorization: "Bearer wrong-wrong-wrong-wrong" })).status).toBe(401);
  const ours = { Authorization: `Bearer ${token}` };
  expect((await setDown(true, { ...ours, Origin: "http://evil.example" })).status).toBe(403);
  expect((await post(collector.url, newTraceId())).status).toBe(202);
  expect((await setDown(true, ours)).status).toBe(200);
  expect((await post(collector.url, newTraceId())).status).toBe(503);
  expect((await setDown(false, ours)).status).toBe(200);
  expect((await post(collector.url, newTraceId())).status).toBe(202);
  expect(collector.stderr()).toContain(`page ${collector.url}/#token=TOKEN`);
  expect(collector.stderr()).not.toContain(token);
  collector.signal("SIGTERM");
  expect(await collector.exited).toBe(0);
  const refused = await runCli(["collector", "--port", "0", "--control", "short"]);
  expect(refused.exitCode).toBe(2);
  expect(refused.stderr).toContain("a token of at least 16 letters");
});

test("the collector honors Zipkin's variables", async () => {
  const env = {
    QUERY_PORT: "0",
    MEM_MAX_SPANS: "10",
    AUTOCOMPLETE_KEYS: "http.method, error",
    STRICT_TRACE_ID: "false",
    QUERY_LOOKBACK: "60000",
  };
  const collector = await startCollectorProcess([], env);
  const get = (path: string) => getJson(collector.url + path);
  expect(collector.url).not.toEndWith(":9411");
  const low = newTraceId();
  await post(collector.url, `00000000000000ff${low}`);
  expect(await get(`/api/v2/trace/${low}`)).toHaveLength(5);
  expect(await get("/api/v2/autocompleteKeys")).toEqual(["http.method", "error"]);
  expect(await get("/api/v2/autocompleteValues?key=http.method")).toEqual(["GET"]);
  expect(await get("/zipkin/config.json")).toMatchObject({ searchEnabled: true, defaultLookback: 60_000 });
  await post(collector.url, newTraceId(), 2, 90_000);
  expect(await get("/api/v2/traces")).toHaveLength(1);
  expect(await get("/api/v2/traces?lookback=120000")).toHaveLength(2);
  for (let count = 0; count < 3; count++) await post(collector.url, newTraceId());
  expect(await get("/health")).toMatchObject({ store: { spans: 10, evictedSpans: 13 } });
  collector.signal("SIGINT");
  expect(await collector.exited).toBe(130);
});

test("without search, traces are found by ID and in the dependency graph only, as in Zipkin", async () => {
  const collector = await startCollectorProcess([], {
    SEARCH_ENABLED: "false",
    AUTOCOMPLETE_KEYS: "http.method",
  });
  const get = (path: string) => getJson(collector.url + path);
  const ids = [newTraceId(), newTraceId()];
  for (const id of ids) await post(collector.url, id);
  const service = "serviceName=chain-link-service-0";
  const values = "autocompleteValues?key=http.method";
  for (const path of ["services", `spans?${service}`, `remoteServices?${service}`, "traces", values])
    expect(await get(`/api/v2/${path}`), path).toEqual([]);
  expect(await get("/zipkin/config.json")).toMatchObject({ searchEnabled: false });
  expect(await get(`/api/v2/trace/${ids[0]}`)).toHaveLength(5);
  expect(await get(`/api/v2/traceMany?traceIds=${ids}`)).toHaveLength(2);
  expect(await get(`/api/v2/dependencies?endTs=${Date.now()}`)).toHaveLength(2);
  collector.signal("SIGTERM");
  expect(await collector.exited).toBe(0);
});

test("--max-bytes, --max-spans and --retention bound the store, and --otlp-port accepts OTLP", async () => {
  const bounds = ["--max-bytes", "20kB", "--max-spans", "1000", "--retention", "1m", "--otlp-port", "0"];
  const collector = await startCollectorProcess(bounds);
  const counts = async () =>
    ((await getJson(`${collector.url}/health`)) as { store: { spans: number; evictedSpans: number } }).store;
  await post(collector.url, newTraceId(), 3, 90_000);
  expect(await counts()).toMatchObject({ spans: 0, evictedSpans: 5 });
  const large = {
    traceId: newTraceId(),
    id: "1",
    timestamp: (Date.now() - 30_000) * 1000,
    tags: { a: "x".repeat(15_000) },
  };
  for (const traceId of [large.traceId, newTraceId()])
    await fetch(`${collector.url}/api/v2/spans`, {
      method: "POST",
      body: JSON.stringify([{ ...large, traceId }]),
    });
  expect(await counts()).toMatchObject({ spans: 1, evictedSpans: 6 });
  for (let count = 0; count < 3; count++) await post(collector.url, newTraceId(), 60);
  const { spans, evictedSpans } = await counts();
  expect(spans).toBeLessThan(3 * 119);
  expect(spans + evictedSpans).toBe(7 + 3 * 119);
  const [, otlp = ""] = /OTLP also on (\S+)/.exec(collector.stderr()) ?? [];
  const [span] = makeChain(newTraceId() + newTraceId(), 1, Date.now());
  const body = encodeOtlpJson([span as Span], {
    attributes: { "service.name": "otel" },
    scope: { name: "a", version: "1" },
  });
  const answer = await fetch(otlp, { method: "POST", body, headers: { "Content-Type": "application/json" } });
  expect(answer.status).toBe(200);
  expect(await getJson(`${collector.url}/api/v2/trace/${span?.traceId}`)).toHaveLength(1);
  collector.signal("SIGTERM");
  await collector.exited;
});

test.each([
  [["--sample-rate", "0.5"], {}],
  [[], { COLLECTOR_SAMPLE_RATE: "0.5" }],
])("a sample rate stores that share of complete traces: %j %j", async (args, env) => {
  const collector = await startCollectorProcess(args, env);
  const spans = Array.from({ length: 200 }, (_, index) =>
    makeChain(Bun.hash(String(index)).toString(16).padStart(16, "0"), 2, Date.now()),
  ).flat();
  await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body: JSON.stringify(spans) });
  const { store } = (await getJson(`${collector.url}/health`)) as {
    store: { traces: number; spans: number; sampledOutSpans: number };
  };
  // What is left out is counted, wherever the collector's numbers are.
  const sampledOutSpans = spans.length - store.spans;
  expect(store).toMatchObject({ sampledOutSpans });
  expect(await getJson(`${collector.url}/page/traces`)).toMatchObject({ counts: { sampledOutSpans } });
  expect(await getJson(`${collector.url}/metrics`)).toMatchObject({
    "counter.zipkin_collector.spans_dropped.http": sampledOutSpans,
    "counter.chain_link_collector.spans_sampled_out": sampledOutSpans,
  });
  const prometheus = await (await fetch(`${collector.url}/prometheus`)).text();
  expect(prometheus).toContain(
    `chain_link_collector_spans_gone_total{reason="sampled_out"} ${sampledOutSpans}\n`,
  );
  expect(store.traces).toBeGreaterThan(60);
  expect(store.traces).toBeLessThan(140);
  expect(store.spans).toBe(3 * store.traces);
  collector.signal("SIGTERM");
  await collector.exited;
});

const readAs = (url: string, origin: string) =>
  fetch(`${url}/api/v2/services`, { headers: { Origin: origin } });

test.each([
  [["--cors", "http://ui.example:3000, https://other.example"], {}],
  [[], { ZIPKIN_QUERY_ALLOWED_ORIGINS: "http://ui.example:3000" }],
])("only pages of listed origins may read: %j %j", async (args, env) => {
  const collector = await startCollectorProcess(args, env);
  const { headers } = await readAs(collector.url, "http://ui.example:3000");
  expect(headers.get("access-control-allow-origin")).toBe("http://ui.example:3000");
  expect((await readAs(collector.url, "http://evil.example")).status).toBe(403);
  collector.signal("SIGTERM");
  await collector.exited;
});

test("an origin with a default port matches the browser's origin without it", async () => {
  const collector = await startCollectorProcess(["--cors", "http://ui.example:80"]);
  const { headers } = await readAs(collector.url, "http://ui.example");
  expect(headers.get("access-control-allow-origin")).toBe("http://ui.example");
  collector.signal("SIGTERM");
  await collector.exited;
});

test("a gRPC client on the OTLP port is warned of once, and HTTP keeps working", async () => {
  const collector = await startCollectorProcess(["--otlp-port", "0"]);
  await eventually(() => collector.stderr().includes("OTLP also on") || undefined);
  const otlp = /OTLP also on (\S+)/.exec(collector.stderr())?.[1] ?? "";
  for (let attempt = 0; attempt < 2; attempt++) {
    const client = connect(otlp.replace("/v1/traces", ""));
    const { promise, resolve } = Promise.withResolvers<void>();
    client.on("error", () => {});
    client.on("close", () => resolve());
    client
      .request({ ":method": "POST", ":path": "/opentelemetry.proto.collector.trace.v1.TraceService/Export" })
      .on("error", () => {});
    await promise;
  }
  const headers = { "Content-Type": "application/json" };
  expect((await fetch(otlp, { method: "POST", headers, body: "{}" })).status).toBe(200);
  collector.signal("SIGTERM");
  await collector.exited;
  expect(collector.stderr().match(/WARNING +a client uses gRPC .*http\/protobuf/g)).toHaveLength(1);
});

test("an address that other machines can reach is reported in one line", async () => {
  const open = await startCollectorProcess(["--host", "0.0.0.0"]);
  const own = await startCollectorProcess();
  expect((await fetch(`${open.url}/health`, { headers: { Host: "zipkin-service" } })).status).toBe(200);
  for (const collector of [open, own]) collector.signal("SIGTERM");
  await Promise.all([open.exited, own.exited]);
  expect(open.stderr().match(/^.*0\.0\.0\.0 accepts connections from other machines: .*$/gm)).toHaveLength(1);
  expect(own.stderr()).not.toContain("from other machines");
});

test.each([
  [["--cors", "example.com"], "* or origins such as http://localhost:3000"],
  [["--cors", "http://*.example.com"], "* or origins such as http://localhost:3000"],
  [["--cors", "http://example.com/path"], "* or origins such as http://localhost:3000"],
  [["--sample-rate", "2"], "a share from 0 to 1"],
  [["--max-bytes", "lots"], "a size such as 64MiB or 2GB"],
  [["--port", "70000"], "a whole number from 0 to 65535"],
])("%j is misuse", async (args, expected) => {
  const { exitCode, stderr } = await runCli(["collector", ...args]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(expected);
});

test("a data file in a missing folder is refused, naming the folder", async () => {
  const { exitCode, stderr } = await runCli(["collector", "--port", "0", "--data", "/nowhere/spans"]);
  expect(exitCode).toBe(1);
  expect(stderr).toContain("/nowhere/spans cannot be opened: there is no folder /nowhere\n");
});
