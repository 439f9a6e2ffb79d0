import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Collector, type CollectorOptions, startCollector } from "../../src/collector/server.ts";
import { newTraceId } from "./spans.ts";

const collectors: Collector[] = [];
afterAll(() => Promise.all(collectors.map((collector) => collector.stop())));
function start(options: Partial<CollectorOptions> = {}): Collector {
  const collector = startCollector({ host: "127.0.0.1", port: 0, ...options });
  collectors.push(collector);
  return collector;
}

async function ask(collector: Collector, headers: Record<string, string>, method = "GET", body?: string) {
  const path = method === "GET" ? "/api/v2/services" : "/api/v2/spans";
  // A text/plain body needs no preflight: any page may send it.
  const all = body === undefined ? headers : { "Content-Type": "text/plain", ...headers };
  const url = `http://127.0.0.1:${collector.port}${path}`;
  return fetch(url, { method, headers: all, ...(body !== undefined && { body }) });
}

describe("a collector on loopback", () => {
  let collector: Collector;
  beforeAll(() => {
    collector = start();
  });

  test.each([
    "localhost",
    "LOCALHOST:1234",
    "shop.localhost:9411",
    "127.0.0.1",
    "127.1.2.3:80",
    "[::1]:9411",
  ])("the collector answers requests with the Host %s", async (host) => {
    expect((await ask(collector, { Host: host })).status).toBe(200);
  });

  test.each([
    "evil.example:9411",
    "localhost.evil.example",
    "127.0.0.1.nip.io",
    "notlocalhost",
    "10.0.0.1:9411",
    "0.0.0.0:9411",
    "[2001:db8::1]",
  ])("the collector rejects every request with the Host %s with 403", async (host) => {
    const response = await ask(collector, { Host: host });
    expect(response.status).toBe(403);
    expect(await response.text()).toContain("is not this machine");
    expect((await ask(collector, { Host: host }, "POST", "[]")).status).toBe(403);
  });

  test("pages of other origins can neither read nor write", async () => {
    const origin = { Origin: "http://evil.example" };
    const traceId = newTraceId();
    for (const response of [
      await ask(collector, origin),
      await ask(collector, origin, "POST", `[{"traceId":"${traceId}","id":"1"}]`),
      await ask(collector, { ...origin, "Access-Control-Request-Method": "POST" }, "OPTIONS"),
    ]) {
      expect(response.status).toBe(403);
      expect(response.headers.has("access-control-allow-origin")).toBe(false);
      expect(await response.text()).toContain("--cors http://evil.example");
    }
    expect(collector.store.trace(traceId)).toBeUndefined();
  });

  test("a page with an opaque origin, such as a file or a sandbox, is rejected", async () => {
    expect((await ask(collector, { Origin: "null" })).status).toBe(403);
  });

  test("the collector's own page can read and write", async () => {
    const host = `127.0.0.1:${collector.port}`;
    expect((await ask(collector, { Host: host, Origin: `http://${host}` }, "POST", "[]")).status).toBe(202);
  });

  test("a rejected OTLP request gets an OTLP status", async () => {
    const headers = { "Content-Type": "application/json", Origin: "http://evil.example" };
    const response = await fetch(`${collector.url}/v1/traces`, { method: "POST", headers, body: "{}" });
    expect(response.status).toBe(403);
    expect(await response.json()).toMatchObject({ code: 7 });
  });
});

test("a collector that listens for other machines answers to any host, but not to pages of other origins", async () => {
  const collector = start({ host: "0.0.0.0" });
  const response = await ask(collector, {
    Host: "zipkin-service.shop.svc:9411",
    Origin: "http://evil.example",
  });
  expect(response.status).toBe(200);
  expect(response.headers.has("access-control-allow-origin")).toBe(false);
});

describe("allowed origins", () => {
  const allowed = { Origin: "http://ui.example:3000" };

  test("a list allows the origins on it, and no others", async () => {
    const collector = start({ allowedOrigins: ["http://ui.example:3000"] });
    const response = await ask(collector, allowed);
    expect(response.headers.get("access-control-allow-origin")).toBe("http://ui.example:3000");
    expect(response.headers.get("vary")).toContain("Origin");
    expect((await ask(collector, allowed, "POST", "[]")).status).toBe(202);
    expect((await ask(collector, { Origin: "http://ui.example" })).status).toBe(403);
    const preflight = await ask(
      collector,
      { ...allowed, "Access-Control-Request-Method": "POST" },
      "OPTIONS",
    );
    expect(preflight.status).toBe(200);
    expect(preflight.headers.get("access-control-allow-headers")).toContain("content-type");
  });

  test("* allows all origins, except for control paths and foreign host names", async () => {
    const collector = start({ allowedOrigins: "*" });
    expect((await ask(collector, allowed)).headers.get("access-control-allow-origin")).toBe("*");
    expect((await ask(collector, { ...allowed, Host: "evil.example" })).status).toBe(403);
    const response = await fetch(`${collector.url}/api/control`, { headers: allowed });
    expect(response.headers.has("access-control-allow-origin")).toBe(false);
  });
});

test("every answer forbids scripts and content sniffing", async () => {
  const collector = start();
  for (const path of [
    "/",
    "/page.js",
    "/health",
    "/api/v2/traces",
    "/api/v2/trace/1",
    "/no/such",
    "/zipkin/",
  ]) {
    const { headers } = await fetch(collector.url + path, { redirect: "manual" });
    expect([path, headers.get("x-content-type-options")]).toEqual([path, "nosniff"]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  }
});
