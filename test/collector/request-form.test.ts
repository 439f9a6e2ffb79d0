import { afterAll, expect, test } from "bun:test";
import type { ProxiedBackend } from "../../src/collector/proxied-backend.ts";
import { startRemotePage } from "../../src/collector/remote-page.ts";
import { startCollector } from "../../src/collector/server.ts";
import { startCollectorProcess } from "../helpers/collector-process.ts";
import { openRaw } from "../helpers/raw-http.ts";

const collector = startCollector({ host: "127.0.0.1", port: 0 });
const backend: ProxiedBackend = { kind: "collector", url: collector.url, hasLive: true, fetch };
const page = startRemotePage({ host: "127.0.0.1", port: 0, backend, topology: { a: 1 }, about: "" });
afterAll(() => Promise.all([collector.stop(), page.stop()]));

async function exchange(url: string, bytes: string): Promise<string> {
  const connection = await openRaw(url);
  connection.socket.write(Buffer.from(bytes, "latin1"));
  return connection.closed;
}

const get = (host: string, version = "1.1") =>
  `GET /health HTTP/${version}\r\n${host}Connection: close\r\n\r\n`;

test("a missing, malformed or repeated Host is answered with 400 by a collector and a page", async () => {
  const hosts = ["a b", "a/b", "a:b", "[::1", "a:65536", "u@a", "%", "<a>", ":80", "\xe4", "a, b"];
  const lines = [
    "",
    "Host: a\r\nHost: b\r\n",
    "Host: a\r\nhost: a\r\n",
    ...hosts.map((host) => `Host: ${host}\r\n`),
  ];
  for (const { url } of [collector, page]) {
    for (const line of lines) {
      const answer = await exchange(url, get(line));
      expect([line, answer.slice(0, 12)]).toEqual([line, "HTTP/1.1 400"]);
    }
  }
});

test("a collector answers HTTP/1.0 without a Host, and any Host that RFC 3986 allows", async () => {
  for (const line of ["", "Host:\r\n"])
    expect(await exchange(collector.url, get(line, "1.0"))).toStartWith("HTTP/1.1 200 ");
  // A collector that listens for other machines; on loopback it answers only to the names of this machine.
  const open = startCollector({ host: "0.0.0.0", port: 0 });
  for (const host of ["", "a", "a:80", "a:", "[::1]:1", "[v1.x]", "a..b", "a%20b", "!$&'()*+,;="])
    expect([host, (await exchange(open.url, get(`Host: ${host}\r\n`))).slice(9, 12)]).toEqual([host, "200"]);
  await open.stop();
  const spans = "POST /api/v2/spans HTTP/1.0\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
  expect(await exchange(collector.url, spans)).toStartWith("HTTP/1.1 202 ");
});

test("CONNECT is answered with 400", async () => {
  const request = "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\nConnection: close\r\n\r\n";
  expect(await exchange(collector.url, request)).toStartWith("HTTP/1.1 400 ");
});

// Zipkin itself answers HEAD with 404 on its API, so the shared contract does not cover it.
test("HEAD is GET without a body on every path of a collector and a page", async () => {
  const own = [
    "/health",
    "/info",
    "/metrics",
    "/prometheus",
    "/zipkin/config.json",
    "/api/v2/services",
    "/api/runs",
  ];
  const shared = [
    "/",
    "/page.js",
    "/page.css",
    "/icon.svg",
    "/page/traces",
    "/api/v2/traces",
    "/api/v2/trace/1",
    "/none",
  ];
  const paths = [
    ...[...own, ...shared].map((path) => collector.url + path),
    ...[...shared, "/api/topology"].map((path) => page.url + path),
  ];
  for (const url of paths) {
    for (const coding of ["gzip", "identity"]) {
      const headers = { "Accept-Encoding": coding };
      const ask = (method: string) => fetch(url, { method, headers, redirect: "manual", decompress: false });
      const [whole, head] = [await ask("GET"), await ask("HEAD")];
      const body = await whole.bytes();
      expect([url, head.status, await head.text()]).toEqual([url, whole.status, ""]);
      const of = ({ headers: all }: Response) =>
        Object.fromEntries([...all].filter(([name]) => name !== "date" && name !== "transfer-encoding"));
      const length = { "content-length": String(body.length) };
      // An answer that is streamed from a backend has no Content-Length.
      expect([url, of(head)]).toEqual([
        url,
        whole.headers.has("content-length") ? { ...of(whole), ...length } : of(whole),
      ]);
    }
  }
});

test("HEAD of the live stream ends at once", async () => {
  for (const { url } of [collector, page]) {
    const head = await fetch(`${url}/api/live`, { method: "HEAD" });
    expect([head.status, head.headers.get("content-type"), await head.text()]).toEqual([
      200,
      "text/event-stream; charset=utf-8",
      "",
    ]);
  }
});

test("malformed requests print nothing", async () => {
  const running = await startCollectorProcess();
  for (const line of ["Host: a b\r\n", "Host: a:b\r\n", "Host: [::1\r\n", "Host:\r\n"])
    await exchange(running.url, get(line));
  running.signal("SIGTERM");
  await running.exited;
  expect(
    running
      .stderr()
      .split("\n")
      .map((line) => line.slice(0, 14)),
  ).toEqual(["INFO     liste", "INFO     stopp", ""]);
});
