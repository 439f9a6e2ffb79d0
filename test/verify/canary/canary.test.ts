import { expect, test } from "bun:test";
import { startCollector } from "../../../src/collector/server.ts";
import { REPORTER_DEFAULTS } from "../../../src/link/reporter.ts";
import { startLoad } from "../../../src/load/generator.ts";
import { constantRate } from "../../../src/load/schedule.ts";
import { newRunId, RunIds } from "../../../src/trace/run.ts";
import { instancesOf } from "../../../src/verify/backend/counters.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { Canary, type CanaryOptions, type WindowReport } from "../../../src/verify/canary/canary.ts";
import { renderCanaryMetrics } from "../../../src/verify/canary/canary-metrics.ts";
import { startCanaryServer } from "../../../src/verify/canary/canary-server.ts";
import { CanaryTotals } from "../../../src/verify/canary/canary-totals.ts";
import { RunLedger } from "../../../src/verify/run/run-ledger.ts";
import { quickChain, startChain } from "../../helpers/chain.ts";
import { eventually } from "../../helpers/cli.ts";
import { startFaultProxy } from "../../helpers/fault-proxy.ts";
import { readPrometheusText } from "../../helpers/prometheus-text.ts";
import { statusOf } from "../../helpers/raw-http.ts";

const REQUESTS = 4;
/** Generous, because a busy machine answers late, which no test here is about. */
const TIMEOUT_MS = 30_000;
const WAIT_MS = 60_000;

/** A canary over a chain of two whose spans go through a fault proxy; its windows are short. */
function startCanary(options: Partial<CanaryOptions> = {}) {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const proxy = startFaultProxy(collector.url);
  const chain = startChain(quickChain("a", "b"), {
    link: {
      target: { kind: "zipkin", url: proxy.url },
      reporter: { ...REPORTER_DEFAULTS, delayMs: 20 },
    },
  });
  const totals = new CanaryTotals();
  const server = startCanaryServer({ host: "127.0.0.1", port: 0, totals });
  const stop = new AbortController();
  const reports: WindowReport[] = [];
  const canary = new Canary({
    send: (requests) => sendWindow(chain.url, requests),
    requestsPerSecond: 40,
    windowMs: 100,
    timeoutMs: TIMEOUT_MS,
    reader: new ZipkinReader(collector.url, "collector"),
    graph: null,
    findInstances: async () => instancesOf(new Map([...chain.links].map(([name, { url }]) => [name, url]))),
    backend: { kind: "collector", url: collector.url },
    maxWaitMs: 60_000,
    queriesPerSecond: 200,
    totals,
    onWindow: (report) => reports.push(report),
    ...options,
  });
  const done = canary.run(stop.signal);
  return {
    chain,
    proxy,
    collector,
    totals,
    reports,
    url: `http://127.0.0.1:${server.port}`,
    async end() {
      stop.abort();
      await done;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await done;
      await server.close();
      await chain[Symbol.asyncDispose]();
      await proxy[Symbol.asyncDispose]();
      await collector.stop();
    },
  };
}

function sendWindow(url: string, requests: number) {
  const ids = new RunIds(newRunId());
  const ledger = new RunLedger({ run: ids.runId, startMs: Date.now(), url });
  const load = startLoad({
    url: `${url}/`,
    method: "GET",
    headers: [],
    body: null,
    pace: { kind: "open", rate: constantRate(40), arrivals: "constant" },
    connections: 16,
    timeoutMs: TIMEOUT_MS,
    warmUpMs: 0,
    durationMs: null,
    maxRequests: requests,
    ids,
    sampleShare: 1,
    randomOf: () => Math.random,
    onEnd: (record) => ledger.add(record),
  });
  return { ledger, ended: load.done, stop: () => load.stop() };
}

async function scrape(url: string) {
  const metrics = readPrometheusText(await (await fetch(`${url}/metrics`)).text());
  const samples = [...metrics.values()].flatMap((metric) => metric.samples);
  return (name: string, wanted: Record<string, string> = {}) =>
    samples.find(
      (sample) =>
        sample.name === `chain_link_verify_${name}` &&
        Object.entries(wanted).every(([key, value]) => sample.labels[key] === value),
    )?.value;
}

/** A proxy before a backend that answers 503 while it is down. */
function startGate() {
  const gate = { target: "", isDown: false };
  const server = Bun.serve({
    port: 0,
    async fetch({ url }) {
      if (gate.isDown) return new Response("down", { status: 503 });
      const { pathname, search } = new URL(url);
      const response = await fetch(gate.target + pathname + search);
      return new Response(await response.arrayBuffer(), { status: response.status });
    },
  });
  return Object.assign(gate, {
    url: `http://127.0.0.1:${server.port}`,
    [Symbol.asyncDispose]: () => server.stop(true),
  });
}

test("a canary is ready once it has judged its first window, and goes on to judge more", async () => {
  await using it = startCanary();
  expect((await fetch(`${it.url}/readiness`)).status).toBe(503);
  expect((await fetch(`${it.url}/health`)).status).toBe(200);
  await eventually(async () => (it.totals.windows.complete >= 3 ? true : undefined), WAIT_MS);
  expect((await fetch(`${it.url}/readiness`)).status).toBe(200);
  await it.end();
  expect(it.totals.windows.incomplete + it.totals.windows["could-not-tell"]).toBe(0);
  const value = await scrape(it.url);
  const judged = value("traces_total", { class: "complete" }) ?? 0;
  expect(judged).toBeGreaterThan(2 * REQUESTS);
  expect(value("spans_expected_total")).toBe(3 * judged);
  expect(value("export_latency_seconds_count")).toBeWithin(1, judged + 1);
  expect(value("windows_open")).toBe(0);
  expect(value("up")).toBe(1);
  expect(value("last_success_timestamp_seconds")).toBeGreaterThan(1e9);
}, 120_000);

test("missing spans are counted by link and reason until they arrive again", async () => {
  await using it = startCanary({ maxWaitMs: 3000 });
  await eventually(async () => (it.totals.windows.complete >= 2 ? true : undefined), WAIT_MS);
  it.proxy.edit = (spans) => spans.filter(({ localEndpoint }) => localEndpoint?.serviceName !== "b");
  const labels = { link: "b", reason: "never_received" };
  const missing = await eventually(
    async () => (await scrape(it.url))("spans_missing_total", labels),
    WAIT_MS,
  );
  expect(missing).toBeGreaterThan(0);
  expect((await scrape(it.url))("traces_total", { class: "partial" })).toBeGreaterThan(0);
  expect(it.totals.classes["not-found"]).toBe(0);
  it.proxy.edit = (spans) => spans;
  const { complete } = it.totals.windows;
  await eventually(async () => (it.totals.windows.complete >= complete + 5 ? true : undefined), WAIT_MS);
  expect((await fetch(`${it.url}/readiness`)).status).toBe(200);
}, 120_000);

test("a window counts as could-not-tell while the backend cannot be read", async () => {
  await using gate = startGate();
  gate.isDown = true;
  await using it = startCanary({ reader: new ZipkinReader(gate.url), maxWaitMs: 400 });
  gate.target = it.collector.url;
  await eventually(async () => (it.totals.windows["could-not-tell"] >= 2 ? true : undefined), WAIT_MS);
  expect(it.totals.classes).toMatchObject({ complete: 0, partial: 0, "not-found": 0 });
  expect(it.totals.classes.unknown).toBeGreaterThanOrEqual(2);
  expect((await fetch(`${it.url}/readiness`)).status).toBe(503);
  expect((await scrape(it.url))("up")).toBe(0);
  expect(it.reports[0]?.problem).toContain("503 down");
  gate.isDown = false;
  await eventually(async () => (it.totals.lastOutcome === "complete" ? true : undefined), WAIT_MS);
  expect((await scrape(it.url))("up")).toBe(1);
}, 120_000);

test("a backend outage shorter than the maximum wait does not spoil a window", async () => {
  await using gate = startGate();
  await using it = startCanary({ reader: new ZipkinReader(gate.url) });
  gate.target = it.collector.url;
  await eventually(async () => (it.totals.windows.complete >= 1 ? true : undefined), WAIT_MS);
  gate.isDown = true;
  await eventually(async () => (it.totals.failedReads > 0 ? true : undefined), WAIT_MS);
  const { complete } = it.totals.windows;
  gate.isDown = false;
  await eventually(async () => (it.totals.windows.complete >= complete + 5 ? true : undefined), WAIT_MS);
  expect(it.totals.windows).toMatchObject({ incomplete: 0, "could-not-tell": 0 });
}, 120_000);

test("windows are skipped, and the number of open windows is bounded, if the backend is too slow", async () => {
  await using gate = Bun.serve({ port: 0, fetch: () => new Promise<Response>(() => {}) });
  await using it = startCanary({
    reader: new ZipkinReader(`http://127.0.0.1:${gate.port}`),
    windowMs: 10,
    requestsPerSecond: 400,
    timeoutMs: 50,
    maxWaitMs: 50,
  });
  await eventually(async () => (it.totals.skippedWindows > 20 ? true : undefined), WAIT_MS);
  // A window stays open for at most 100 ms, and while no window can be judged a new one starts each millisecond.
  expect(it.totals.openWindows).toBe(110);
  await it.end();
  expect(it.totals.openWindows).toBe(0);
  expect(it.totals.unjudged).toBeGreaterThan(0);
}, 120_000);

test("names from traces are escaped in metrics", () => {
  const totals = new CanaryTotals();
  totals.brokenEdges.set('a"\\\n > b', 1);
  const { samples } = readPrometheusText(renderCanaryMetrics(totals)).get(
    "chain_link_verify_broken_contexts_total",
  ) ?? {
    samples: [],
  };
  expect(samples).toHaveLength(1);
});

test("the canary's server answers HEAD like GET, and counts and reports malformed requests", async () => {
  const told: string[] = [];
  const server = startCanaryServer({
    host: "127.0.0.1",
    port: 0,
    totals: new CanaryTotals(),
    onRejection: ({ reason }) => told.push(reason),
  });
  const url = `http://127.0.0.1:${server.port}`;
  for (const path of ["/health", "/readiness", "/metrics", "/none"]) {
    const [get, head] = [await fetch(url + path), await fetch(url + path, { method: "HEAD" })];
    expect([head.status, await head.text()]).toEqual([get.status, ""]);
    expect(head.headers.get("content-length")).toBe(String((await get.bytes()).length));
  }
  expect(await statusOf(url, "GET / HTTP/1.1\r\nHost: /\r\n\r\n")).toBe(400);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'chain_link_http_rejected_requests_total{code="400",reason="host"} 1\n',
  );
  expect(told).toEqual(["host"]);
  await server.close();
});
