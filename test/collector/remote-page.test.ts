import { afterAll, describe, expect, test } from "bun:test";
import { type RemotePage, startRemotePage } from "../../src/collector/remote-page.ts";
import { MAX_ANSWER_BYTES } from "../../src/lib/bounded-body.ts";
import { hexId } from "./spans.ts";

const JSON_TYPE = { "Content-Type": "application/json; charset=utf-8" };
const asked: { path: string; authorization: string | null }[] = [];
let answer: (path: string) => Response = () => new Response("[]", { headers: JSON_TYPE });
const elsewhere: string[] = [];
const other = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    elsewhere.push(new URL(request.url).pathname);
    return new Response("[]", { headers: JSON_TYPE });
  },
});
const backend = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch(request) {
    const { pathname } = new URL(request.url);
    asked.push({ path: pathname, authorization: request.headers.get("authorization") });
    return answer(pathname);
  },
});
const pages: RemotePage[] = [];
afterAll(async () => {
  await Promise.all([...pages.map((page) => page.stop()), backend.stop(true), other.stop(true)]);
});

/** Like `page` through an API server: with a token that nobody else may see. */
function start(kind: "zipkin" | "collector"): string {
  const page = startRemotePage({
    host: "127.0.0.1",
    port: 0,
    topology: null,
    about: 'All of "it" & <more>, $& included',
    backend: {
      kind,
      hasLive: kind === "collector",
      url: backend.url.href.replace(/\/$/, ""),
      fetch: (url, init) =>
        fetch(url, { ...init, headers: { ...init.headers, Authorization: "Bearer secret" } }),
    },
  });
  pages.push(page);
  return page.url;
}
const zipkin = start("zipkin");
const collector = start("collector");

async function get(path: string, url = zipkin) {
  asked.length = 0;
  const response = await fetch(url + path);
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** Sends a path unchanged; `fetch` would normalize it. */
async function getRaw(path: string): Promise<string> {
  asked.length = 0;
  const { promise, resolve } = Promise.withResolvers<string>();
  let text = "";
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(collector).port),
    socket: {
      data: (_, data) => {
        text += data.toString();
      },
      close: () => resolve(text),
    },
  });
  socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  return promise;
}

describe("a page over another backend", () => {
  test("the page forwards the JSON of its queries, with nosniff and its own policy", async () => {
    for (const path of ["services", "traces?limit=1", `trace/${hexId(1)}`, "dependencies?endTs=1"]) {
      const { status, headers, text } = await get(`/api/v2/${path}`);
      expect([path, status, text]).toEqual([path, 200, "[]"]);
      expect(headers.get("content-type")).toBe("application/json");
      expect(headers.get("x-content-type-options")).toBe("nosniff");
      expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    }
  });

  test.each([
    "/api/v2/",
    "/api/v2/spans/1",
    "/api/v2/trace/not-an-id",
    "/api/v2/trace/1/2",
    "/api/v2/secrets",
    "/api/v1/namespaces/shop/secrets",
    "/health",
    "/info",
  ])("the page never requests %s from a Zipkin", async (path) => {
    const { status, headers } = await get(path);
    expect(status).toBe(404);
    expect(asked).toEqual([]);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
  });

  test.each([
    "/api/v2/..%2f..%2fsecrets",
    "/api/v2/%2e%2e%2f%2e%2e%2fsecrets",
    "/api/v2/trace/%2e%2e%2f1",
    "/api/v2/.%2E%2fsecrets",
    "/api/v2/%252e%252e/secrets",
    "/api/v2/..%5c..%5csecrets",
    "/api/v2/..\\..\\secrets",
    "/api/v2/%2e%2e/%2e%2e/secrets",
    "/api/v2/../../secrets",
    "/api/v2/trace/..;/secrets",
    "//api/v2/../secrets",
  ])("the page never requests a path with dot segments: %s", async (path) => {
    expect((await getRaw(path)).slice(0, 12)).toBe("HTTP/1.1 404");
    expect(asked).toEqual([]);
  });

  test("the page follows no redirect, so that only the backend gets its token", async () => {
    for (const status of [301, 302, 307, 308]) {
      answer = () => new Response(null, { status, headers: { Location: `${other.url}api/v2/services` } });
      const response = await get("/api/v2/services");
      expect([response.status, response.text]).toEqual([
        502,
        "The Zipkin answers with a redirect, which is not followed.",
      ]);
      expect((await get("/page/traces")).status).toBe(502);
    }
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every(({ authorization }) => authorization === "Bearer secret")).toBe(true);
    expect(elsewhere).toEqual([]);
  });

  test.each(["text/html", "text/plain", "image/svg+xml", ""])(
    "the page forwards no answer of type %j",
    async (type) => {
      const headers = { "Content-Type": type };
      answer = () => new Response("<script>alert(1)</script>", { headers });
      const response = await get("/api/v2/services");
      expect(response.status).toBe(502);
      expect(response.text).not.toContain("<script>");
      answer = () => new Response("<script>alert(1)</script>", { headers, status: 500 });
      const error = await get("/api/v2/services");
      expect([error.status, error.headers.get("content-type")]).toEqual([500, "text/plain; charset=utf-8"]);
      expect(error.headers.get("x-content-type-options")).toBe("nosniff");
      if (type !== "text/plain") expect(error.text).not.toContain("<script>");
    },
  );

  test("the page forwards the status and text of an error", async () => {
    answer = () =>
      new Response("0000000000000001 not found", { status: 404, headers: { "Content-Type": "text/plain" } });
    expect(await get(`/api/v2/trace/${hexId(1)}`)).toMatchObject({
      status: 404,
      text: "0000000000000001 not found",
    });
  });

  test("the page reads no answer above its limit, whether or not the length is declared", async () => {
    let sent = 0;
    const piece = new Uint8Array(1024 * 1024).fill(0x20);
    answer = () => {
      sent = 0;
      const body = new ReadableStream({
        async pull(controller) {
          sent++;
          controller.enqueue(piece);
          await Bun.sleep(0);
        },
      });
      return new Response(body, { headers: JSON_TYPE });
    };
    for (const path of ["/api/v2/traces?limit=1", "/page/traces?limit=1"]) {
      const { status, text } = await get(path);
      expect([path, status]).toEqual([path, 502]);
      expect(text).toContain("answers with more than 32 MiB. Ask for fewer traces");
      expect(sent).toBeGreaterThan(32);
    }
    answer = () => new Response(new Uint8Array(MAX_ANSWER_BYTES + 1), { headers: JSON_TYPE });
    expect((await get("/api/v2/traces?limit=1")).status).toBe(502);
  });

  test("the page forwards a collector's live stream, and rejects HTML in its place", async () => {
    answer = () =>
      new Response("event: history\ndata: []\n\n", { headers: { "Content-Type": "text/event-stream" } });
    const live = await get("/api/live", collector);
    expect([live.status, live.text]).toEqual([200, "event: history\ndata: []\n\n"]);
    expect(live.headers.get("content-security-policy")).toContain("default-src 'none'");
    answer = () => new Response("<script>", { headers: { "Content-Type": "text/html" } });
    expect(await get("/api/live", collector)).toMatchObject({ status: 502 });
  });

  test("the page's head contains the given description of its backend", async () => {
    expect((await get("/")).text).toContain(
      'content="All of &quot;it&quot; &amp; &lt;more>, $& included"'.replace("$&", "$&amp;"),
    );
  });
});
