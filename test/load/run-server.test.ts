import { expect, test } from "bun:test";
import { type Load, startLoad } from "../../src/load/generator.ts";
import { RunLedgerWriter } from "../../src/load/run-ledger-writer.ts";
import { startRunServer } from "../../src/load/run-server.ts";
import { constantRate } from "../../src/load/schedule.ts";
import { SEALED_BYTES } from "../../src/trace/ledger-file.ts";
import { RunIds } from "../../src/trace/run.ts";
import { quickChain, startChain } from "../helpers/chain.ts";
import { readPrometheusText } from "../helpers/prometheus-text.ts";
import { openRaw, statusOf } from "../helpers/raw-http.ts";

test("a run serves its ledger, metrics and health while it lasts", async () => {
  await using chain = startChain(quickChain("a", "b"));
  const ids = new RunIds("9f86d081884c7d65");
  const header = { run: ids.runId, startMs: Date.now(), url: chain.url };
  const ledger = new RunLedgerWriter({ header, file: null, isKept: true });
  let load: Load | null = null;
  const server = startRunServer({ host: "127.0.0.1", port: 0, load: () => load, ledger });
  const url = `http://127.0.0.1:${server.port}`;
  expect(await (await fetch(`${url}/health`)).text()).toBe("ok\n");
  expect((await fetch(`${url}/metrics`)).status).toBe(200);
  load = startLoad({
    url: chain.url,
    method: "GET",
    headers: [],
    body: null,
    pace: { kind: "open", rate: constantRate(500), arrivals: "constant" },
    connections: 16,
    timeoutMs: 5000,
    warmUpMs: 0,
    durationMs: null,
    maxRequests: 25,
    ids,
    sampleShare: 1,
    randomOf: () => Math.random,
    onEnd: (record) => ledger.add(record),
  });
  await load.done;
  const answer = await fetch(`${url}/ledger`);
  const bytes = Buffer.from(await answer.arrayBuffer());
  expect(bytes.toString("utf8")).toStartWith(`chain-link-run 3 {"run":"${ids.runId}"`);
  const lineBytes = bytes.indexOf(10) + 1;
  expect(bytes.length).toBe(lineBytes + 25 * SEALED_BYTES);
  expect(answer.headers.get("chain-link-records")).toBe("25");
  expect(answer.headers.get("chain-link-first-record")).toBe("0");
  const rest = await (await fetch(`${url}/ledger?from=24`)).arrayBuffer();
  expect(rest.byteLength).toBe(lineBytes + SEALED_BYTES);
  const metrics = await (await fetch(`${url}/metrics`)).text();
  expect(readPrometheusText(metrics).size).toBeGreaterThan(5);
  expect(metrics).toContain("chain_link_load_requests_succeeded_total 25\n");
  expect((await fetch(`${url}/ledger?from=x`)).status).toBe(400);
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/ledger`, { method: "POST" })).status).toBe(405);
  // Three spans a request, each in the ledger, and roots without a parent.
  const spans = await chain.stop();
  expect(spans.length).toBe(75);
  const roots = spans.filter((span) => span.parentId === undefined);
  expect(
    roots.map(({ traceId }) => ids.sequenceOf(traceId)).toSorted((a, b) => Number(a) - Number(b)),
  ).toEqual(Array.from({ length: 25 }, (_, i) => i));
  await server.close();
});

test("a busy port is a user error that names the flag", () => {
  using blocker = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const ledger = new RunLedgerWriter({
    header: { run: "1", startMs: 0, url: "" },
    file: null,
    isKept: true,
  });
  const start = () => startRunServer({ host: "127.0.0.1", port: blocker.port, load: () => null, ledger });
  expect(start).toThrow(`cannot listen on 127.0.0.1:${blocker.port}: another process uses the port`);
});

test("HEAD is GET without a body, OPTIONS says what is allowed, and malformed requests are counted and told", async () => {
  const ledger = new RunLedgerWriter({
    header: { run: "1", startMs: 0, url: "" },
    file: null,
    isKept: true,
  });
  const told: string[] = [];
  const server = startRunServer({
    host: "127.0.0.1",
    port: 0,
    load: () => null,
    ledger,
    onRejection: ({ reason }) => told.push(reason),
  });
  const url = `http://127.0.0.1:${server.port}`;
  for (const path of ["/ledger", "/metrics", "/health", "/none", "/ledger?from=x"]) {
    const [get, head] = [await fetch(url + path), await fetch(url + path, { method: "HEAD" })];
    const of = ({ status, headers }: Response) => [
      status,
      [...headers].filter(([name]) => !/date|time/.test(name)),
    ];
    expect([of(head), await head.text()]).toEqual([of(get), ""]);
    expect(head.headers.get("content-length")).toBe(String((await get.bytes()).length));
  }
  for (const target of ["*", "/ledger"]) {
    const connection = await openRaw(url);
    connection.socket.write(`OPTIONS ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(await connection.closed).toMatch(
      /^HTTP\/1\.1 200 .*Allow: GET, HEAD, OPTIONS\r\n.*Content-Length: 0\r\n/s,
    );
  }
  expect(await statusOf(url, "GET / HTTP/1.1\r\n\r\n")).toBe(400);
  expect(await (await fetch(`${url}/metrics`)).text()).toContain(
    'chain_link_http_rejected_requests_total{code="400",reason="host_count"} 1\n',
  );
  expect(told).toEqual(["host_count"]);
  await server.close();
});
