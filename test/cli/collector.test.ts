import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeChain, newTraceId } from "../collector/spans.ts";
import { runCli } from "../helpers/cli.ts";
import { startCollectorProcess } from "../helpers/collector-process.ts";

const folder = mkdtempSync(join(tmpdir(), "chain-link-collector-"));
afterAll(() => rmSync(folder, { recursive: true }));

const post = (url: string, traceId: string, links = 3) =>
  fetch(`${url}/api/v2/spans`, {
    method: "POST",
    body: JSON.stringify(makeChain(traceId, links, Date.now() - 1000)),
  });

test("spans in a file survive kill -9, and a second process is told that the file is in use", async () => {
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
  expect(second.stderr()).toContain("ended with 150 spans, 0 evicted, 0 refused");
});

test("Zipkin's variables are understood", async () => {
  const env = {
    MEM_MAX_SPANS: "10",
    AUTOCOMPLETE_KEYS: "http.method, error",
    STRICT_TRACE_ID: "false",
    SEARCH_ENABLED: "false",
    QUERY_LOOKBACK: "60000",
  };
  const collector = await startCollectorProcess([], env);
  const get = async (path: string) => (await fetch(collector.url + path)).json() as Promise<unknown>;
  const low = newTraceId();
  await post(collector.url, `00000000000000ff${low}`);
  expect(await get(`/api/v2/trace/${low}`)).toHaveLength(5);
  expect(await get("/api/v2/autocompleteKeys")).toEqual(["http.method", "error"]);
  expect(await get("/api/v2/autocompleteValues?key=http.method")).toEqual(["GET"]);
  expect(await get("/api/v2/services")).toEqual([]);
  expect(await get("/zipkin/config.json")).toMatchObject({ searchEnabled: false, defaultLookback: 60_000 });
  for (let count = 0; count < 3; count++) await post(collector.url, newTraceId());
  expect(await get("/health")).toMatchObject({ store: { spans: 10, evictedSpans: 10 } });
  collector.signal("SIGINT");
  expect(await collector.exited).toBe(130);
});

test("a sample rate keeps that share of the traces, whole", async () => {
  const collector = await startCollectorProcess(["--sample-rate", "0.5"]);
  const spans = Array.from({ length: 200 }, (_, index) =>
    makeChain(Bun.hash(String(index)).toString(16).padStart(16, "0"), 2, Date.now()),
  ).flat();
  await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body: JSON.stringify(spans) });
  const { store } = (await (await fetch(`${collector.url}/health`)).json()) as {
    store: { traces: number; spans: number };
  };
  expect(store.traces).toBeGreaterThan(60);
  expect(store.traces).toBeLessThan(140);
  expect(store.spans).toBe(3 * store.traces);
  collector.signal("SIGTERM");
  await collector.exited;
});

test.each([
  [["--sample-rate", "2"], "a share from 0 to 1"],
  [["--max-bytes", "lots"], "a size such as 64MiB or 2GB"],
  [["--port", "70000"], "a whole number from 0 to 65535"],
])("%j is misuse", async (args, expected) => {
  const { exitCode, stderr } = await runCli(["collector", ...args]);
  expect(exitCode).toBe(2);
  expect(stderr).toContain(expected);
});
