import { expect, test } from "bun:test";
import { graphOf, startChain, type TestChain } from "../helpers/chain.ts";
import { type Metric, readPrometheusText } from "../helpers/prometheus-text.ts";
import { openRaw } from "../helpers/raw-http.ts";

async function scrape(chain: TestChain, name: string): Promise<Map<string, Metric>> {
  const response = await fetch(`${chain.link(name).url}/metrics`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  return new Map(readPrometheusText(await response.text()));
}

function valuesOf(metric: Metric | undefined): Record<string, number> {
  return Object.fromEntries(
    (metric?.samples ?? []).map(({ labels, value }) => [Object.values(labels).join(), value]),
  );
}

test("every metric is zero before the first request", async () => {
  await using chain = startChain(graphOf({ a: {} }));
  const metrics = await scrape(chain, "a");
  expect(metrics.get("chain_link_info")?.samples).toMatchObject([{ labels: { service: "a" }, value: 1 }]);
  metrics.delete("chain_link_info");
  const startedAt = metrics.get("process_start_time_seconds")?.samples[0]?.value ?? 0;
  expect(Math.abs(startedAt - Date.now() / 1000)).toBeLessThan(60);
  metrics.delete("process_start_time_seconds");
  expect([...metrics].map(([name, { type }]) => `${name} ${type}`)).toEqual([
    "chain_link_requests_total counter",
    "chain_link_requests_in_flight gauge",
    "chain_link_unanswered_requests_total counter",
    "chain_link_injected_errors_total counter",
    "chain_link_refused_requests_total counter",
    "chain_link_requests_queued gauge",
    "chain_link_request_duration_seconds histogram",
    "chain_link_failed_calls_total counter",
    "chain_link_retries_total counter",
    "chain_link_refused_retries_total counter",
    "chain_link_broken_contexts_total counter",
    "chain_link_spans_sent_total counter",
    "chain_link_spans_dropped_total counter",
    "chain_link_spans_queued gauge",
    "chain_link_http_rejected_requests_total counter",
  ]);
  for (const { samples } of metrics.values()) for (const { value } of samples) expect(value).toBe(0);
  expect(valuesOf(metrics.get("chain_link_spans_dropped_total"))).toEqual({
    queue_full: 0,
    rejected: 0,
    unavailable: 0,
    shutdown: 0,
  });
});

test("every request except readiness and scrapes is counted once, by status and by duration", async () => {
  const behavior = { latency: { kind: "fixed", value: 30, probability: 1 } } as const;
  await using chain = startChain(graphOf({ a: { calls: ["b"] }, b: { behavior } }));
  for (let count = 0; count < 3; count++) await fetch(chain.url);
  await fetch(`${chain.url}/nowhere`);
  await fetch(chain.url, { method: "POST" });
  await fetch(chain.url, { headers: { "X-Current-Service": "nobody" } });
  await fetch(`${chain.url}/readiness`);
  await scrape(chain, "a");
  // The backend has the spans a moment before the link counts them as sent.
  while (chain.link("a").reporter.queued > 0) await Bun.sleep(1);
  const metrics = await scrape(chain, "a");
  expect(valuesOf(metrics.get("chain_link_requests_total"))).toEqual({ 200: 3, 400: 1, 404: 1, 405: 1 });
  const duration = metrics.get("chain_link_request_duration_seconds")?.samples ?? [];
  const bucket = (le: string) => duration.find(({ labels }) => labels.le === le)?.value;
  expect(bucket("0.025")).toBeLessThanOrEqual(3);
  expect(bucket("10")).toBe(6);
  expect(bucket("+Inf")).toBe(6);
  const sum = duration.find(({ name }) => name.endsWith("_sum"))?.value ?? 0;
  expect(sum).toBeGreaterThanOrEqual(0.089);
  expect(valuesOf(metrics.get("chain_link_spans_sent_total"))).toEqual({ "": 9 });
  expect(valuesOf(metrics.get("chain_link_spans_queued"))).toEqual({ "": 0 });
});

test("requests in flight have a gauge, and injected errors have a counter", async () => {
  const draws = [0, 1, 1];
  const behavior = { errors: [{ kind: "status", rate: 0.5, status: 503, after: null }] } as const;
  const { promise: release, resolve } = Promise.withResolvers<void>();
  const callee = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => release.then(() => new Response()),
  });
  await using chain = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }), {
    absent: ["b"],
    urls: { b: `http://127.0.0.1:${callee.port}` },
    link: { randomOf: () => () => draws.shift() ?? 1 },
  });
  expect((await fetch(chain.url)).status).toBe(503);
  const pending = [fetch(chain.url), fetch(chain.url)];
  while (chain.link("a").stats.inFlight < 2) await Bun.sleep(1);
  const during = await scrape(chain, "a");
  expect(valuesOf(during.get("chain_link_requests_in_flight"))).toEqual({ "": 2 });
  expect(valuesOf(during.get("chain_link_injected_errors_total"))).toEqual({ status: 1 });
  resolve();
  await Promise.all(pending);
  expect(valuesOf((await scrape(chain, "a")).get("chain_link_requests_in_flight"))).toEqual({ "": 0 });
  await callee.stop(true);
});

test("lost spans are counted by reason", async () => {
  await using chain = startChain(graphOf({ a: {} }));
  chain.backend.react = () => new Response(null, { status: 400 });
  await fetch(chain.url);
  await chain.backend.waitForDeliveries(1);
  while (chain.link("a").reporter.queued > 0) await Bun.sleep(1);
  const metrics = await scrape(chain, "a");
  expect(valuesOf(metrics.get("chain_link_spans_dropped_total"))).toMatchObject({ rejected: 1 });
  expect(valuesOf(metrics.get("chain_link_spans_sent_total"))).toEqual({ "": 0 });
});

test("requests rejected before the handler are counted by status and reason, and logged at debug level only", async () => {
  for (const level of ["debug", "info"] as const) {
    const logged: string[] = [];
    await using chain = startChain(graphOf({ a: {} }), {
      link: {
        log: {
          level,
          format: "text",
          accessLog: false,
          write: (line) => logged.push(line),
          writeAccess() {},
        },
      },
    });
    for (const request of [
      "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
      "GET \x1b HTTP/1.1\r\n\r\n",
      "GET \x1b HTTP/1.1\r\n\r\n",
    ]) {
      const connection = await openRaw(chain.url);
      connection.socket.write(request);
      expect(await connection.closed).toStartWith("HTTP/1.1 400 ");
    }
    const metrics = await scrape(chain, "a");
    expect(valuesOf(metrics.get("chain_link_http_rejected_requests_total"))).toEqual({
      "400,host": 1,
      "400,start_line": 2,
    });
    const rejected = logged.filter((line) => line.includes("rejected"));
    expect(rejected.map((line) => line.replace(/port \d+/, "port N"))).toEqual(
      level === "info"
        ? []
        : [
            'DEBUG    rejected a request from 127.0.0.1 port N with 400, Host is not a host name with an optional port: "GET / HTTP/1.1"',
            ...Array(2).fill(
              'DEBUG    rejected a request from 127.0.0.1 port N with 400, the first line is not that of an HTTP/1.1 message: "GET ^[ HTTP/1.1"',
            ),
          ],
    );
  }
});

test("a flood of rejected requests does not flood the log", async () => {
  const logged: string[] = [];
  await using chain = startChain(graphOf({ a: {} }), {
    link: {
      log: {
        level: "debug",
        format: "text",
        accessLog: false,
        write: (line) => logged.push(line),
        writeAccess() {},
      },
    },
  });
  for (let i = 0; i < 120; i++) await (await rejected(chain.url)).closed;
  await chain.stop();
  const lines = logged.filter((line) => line.includes("rejected")).length;
  const left = Number(/(\d+) requests not logged/.exec(logged.join("\n"))?.[1] ?? 0);
  expect(lines).toBeGreaterThanOrEqual(50);
  expect(lines).toBeLessThan(120);
  expect(left).toBeGreaterThan(0);
});

async function rejected(url: string) {
  const connection = await openRaw(url);
  connection.socket.write("x\r\n\r\n");
  return connection;
}
