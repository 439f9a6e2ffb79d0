import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { MAX_BODY_BYTES } from "../../src/collector/request-body.ts";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { findPageFiles } from "../helpers/page-files.ts";
import { makeChain, newTraceId } from "./spans.ts";
import { describeZipkinContract } from "./zipkin-contract.ts";
import { describeZipkinDetails } from "./zipkin-details-contract.ts";

let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0, allowedOrigins: "*" });
});
afterAll(() => collector.stop());

describeZipkinContract("the collector", () => collector.url);
describeZipkinDetails("the collector", () => collector.url);

const post = (body: Bun.BodyInit, headers: Record<string, string> = {}) =>
  fetch(`${collector.url}/api/v2/spans`, { method: "POST", body, headers });

test("a batch is stored when its 202 arrives", async () => {
  for (let round = 0; round < 20; round++) {
    const chain = makeChain(newTraceId(), 20, Date.now());
    expect((await post(JSON.stringify(chain))).status).toBe(202);
    expect(collector.store.trace(chain[0]?.traceId ?? "")).toHaveLength(39);
  }
});

test("doubled slashes in a path count as one, and do not bypass the origin check", async () => {
  const body = JSON.stringify(makeChain(newTraceId(), 2, Date.now()));
  for (const path of ["//api/v2/spans", "/api//v2///spans"]) {
    expect((await fetch(collector.url + path, { method: "POST", body })).status).toBe(202);
  }
  expect((await fetch(`${collector.url}//v1/traces`, { method: "POST", body: "{}" })).status).not.toBe(404);
  const health = await fetch(`${collector.url}//health`, { headers: { origin: "http://a" } });
  expect(health.headers.get("access-control-allow-origin")).toBe("*");
  const control = await fetch(`${collector.url}//api//control`, { headers: { origin: "http://a" } });
  expect(control.headers.get("access-control-allow-origin")).toBeNull();
});

test("/health reports the fate of all spans", async () => {
  const health = (await (await fetch(`${collector.url}/health`)).json()) as object;
  expect(health).toEqual({
    status: "UP",
    startedAt: expect.any(String),
    store: { ...collector.store.counts() },
  });
});

describe("bodies", () => {
  const tooLarge = "x".repeat(MAX_BODY_BYTES);
  const batch = (tag: string) => JSON.stringify([{ traceId: newTraceId(), id: "1", tags: { tag } }]);

  test("a body over 10 MiB is answered with 413, whether or not its length is declared", async () => {
    const declared = await post(batch(tooLarge));
    expect(declared.status).toBe(413);
    expect(await declared.text()).toStartWith(`Expected at most ${MAX_BODY_BYTES} bytes`);
    const undeclared = await post(
      new ReadableStream({
        start(controller) {
          controller.enqueue(new TextEncoder().encode(batch(tooLarge)));
          controller.close();
        },
      }),
    );
    expect(undeclared.status).toBe(413);
  });

  test("a body that declares more than 10 MiB is rejected before it is sent", async () => {
    const { promise: answer, resolve } = Promise.withResolvers<string>();
    const socket = await Bun.connect({
      hostname: "127.0.0.1",
      port: collector.port,
      socket: { data: (_, data) => resolve(data.toString()) },
    });
    socket.write(
      `POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${MAX_BODY_BYTES + 1}\r\n\r\n`,
    );
    expect(await answer).toStartWith("HTTP/1.1 413 ");
    socket.end();
  });

  test("a body over 10 MiB after decompression is answered with 413", async () => {
    const body = gzipSync(batch(tooLarge));
    expect(body.length).toBeLessThan(MAX_BODY_BYTES / 100);
    expect((await post(body, { "Content-Encoding": "gzip" })).status).toBe(413);
  });

  test("a tag of 9 MiB is kept", async () => {
    const text = batch("x".repeat(9 * 1024 * 1024));
    expect((await post(text)).status).toBe(202);
    const { traceId } = JSON.parse(text)[0];
    expect(collector.store.trace(traceId)?.[0]?.tags?.tag).toHaveLength(9 * 1024 * 1024);
  });

  test("an invalid or truncated gzip body is answered with 400", async () => {
    const cut = gzipSync(batch("")).subarray(0, 30);
    for (const body of ["[]", cut]) {
      const response = await post(body, { "Content-Encoding": "gzip" });
      expect(response.status).toBe(400);
      expect(await response.text()).toStartWith("Expected a gzip body");
    }
    expect((await post("[]", { "Content-Encoding": "br" })).status).toBe(415);
    expect((await post("", { "Content-Encoding": "gzip" })).status).toBe(202);
  });

  test("a slow body is read to its end, and an aborted one is not stored", async () => {
    const before = collector.store.counts().spans;
    const [whole, cut] = [batch("whole"), batch("cut")];
    const statuses: string[] = [];
    for (const text of [whole, cut]) {
      const socket = await Bun.connect({
        hostname: "127.0.0.1",
        port: collector.port,
        socket: { data: (_, data) => void statuses.push(data.toString().split("\r\n")[0] ?? "") },
      });
      socket.write(
        `POST /api/v2/spans HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${text.length}\r\n\r\n`,
      );
      for (const character of text.slice(0, 40)) {
        socket.write(character);
        await Bun.sleep(1);
      }
      // One byte per second.
      for (const character of text.slice(40, 42)) {
        await Bun.sleep(1000);
        socket.write(character);
      }
      if (text === whole) socket.write(text.slice(42));
      await Bun.sleep(50);
      socket.end();
    }
    expect(statuses).toEqual(["HTTP/1.1 202 Accepted"]);
    expect(collector.store.counts().spans).toBe(before + 1);
    expect((await fetch(`${collector.url}/health`)).status).toBe(200);
  }, 30_000);
});

describe("page", () => {
  test("every file of the page exists, with a strict policy and a fixed type", async () => {
    const paths = await findPageFiles(collector.url);
    const views = ["graph-view", "verify-view", "control-view", "scatter", "trace-file-reader"];
    for (const name of ["page.js", "page.css", "icon.svg", ...views.map((view) => `${view}-`)]) {
      expect(paths.filter((path) => path.startsWith(`/${name}`))).toHaveLength(1);
    }
    for (const path of paths) {
      const { headers, status } = await fetch(collector.url + path);
      expect([path, status]).toEqual([path, 200]);
      expect(headers.get("content-security-policy")).toStartWith("default-src 'none'; script-src 'self'");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("cache-control")).toBe("no-cache");
      const type = {
        js: "text/javascript; charset=utf-8",
        css: "text/css; charset=utf-8",
        svg: "image/svg+xml",
      };
      const extension = path.split(".")[1] as keyof typeof type | undefined;
      expect(headers.get("content-type")).toBe(
        extension === undefined ? "text/html; charset=utf-8" : type[extension],
      );
    }
  });

  test("a file of another version of the page is not found", async () => {
    for (const name of ["graph-view-00000000.js", "files.js", "report.js", "constructor"])
      expect((await fetch(`${collector.url}/${name}`)).status).toBe(404);
  });

  test("the browser is told to load the files of the view in the address with the page", async () => {
    const linksOf = async (query: string) => (await fetch(`${collector.url}/${query}`)).headers.get("link");
    expect(await linksOf("")).toMatch(/<graph-view-\w+\.js>; rel=modulepreload/);
    expect(await linksOf("?view=verify")).toMatch(/<verify-view-\w+\.js>; rel=modulepreload/);
    expect(await linksOf("?view=traces")).toBeNull();
    expect(await linksOf("?trace=1a&view=verify")).toBe(
      "<api/v2/trace/1a>; rel=preload; as=fetch; crossorigin",
    );
  });

  test("the trace view does not load charts, the graph layout or the trace-file reader", async () => {
    const html = await (await fetch(`${collector.url}/?trace=1a`)).text();
    const scripts = [...html.matchAll(/(?:href|src)="([\w-]+\.js)"/g)].map(([, name]) => name);
    let script = "";
    for (const name of scripts) script += await (await fetch(`${collector.url}/${name}`)).text();
    expect(scripts.length).toBeGreaterThan(1);
    expect(script).toContain("Critical path");
    expect(script).not.toMatch(/u-legend|network-simplex|resourceSpans/);
    // The page also names all static imports, so that no file waits for another.
    const imported = [...script.matchAll(/from"\.\/([\w-]+\.js)"/g)].map(([, name]) => name);
    expect(scripts).toEqual(expect.arrayContaining(imported));
  });

  test("the page's list holds summaries, not spans", async () => {
    const chain = makeChain(newTraceId(), 1000, Date.now() - 1000);
    await post(JSON.stringify(chain));
    const response = await fetch(`${collector.url}/page/traces?limit=1000`);
    const { traces, counts, services } = (await response.json()) as {
      traces: { traceId: string; spanCount: number }[];
      counts: unknown;
      services: unknown;
    };
    expect(traces.find((trace) => trace.traceId === chain[0]?.traceId)?.spanCount).toBe(1999);
    expect(counts).toEqual({ ...collector.store.counts() });
    expect(services).toEqual(collector.store.services());
  });
});
