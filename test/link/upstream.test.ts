import { describe, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { gzipSync } from "node:zlib";
import type { Span } from "../../src/trace/span.ts";
import { CLOSED_PORT, quickChain, startChain } from "../helpers/chain.ts";
import { rawAnswer, startRawServer } from "../helpers/raw-http.ts";

interface Outcome {
  readonly response: Response;
  readonly body: Uint8Array;
  readonly spans: readonly Span[];
}

/** Sends a request to `a` of the chain a, b, c, whose c is at `url`. */
async function askThrough(url: string): Promise<Outcome> {
  await using chain = startChain(quickChain("a", "b", "c"), { absent: ["c"], urls: { c: url } });
  const response = await fetch(chain.url, { redirect: "manual", decompress: false });
  const body = await response.bytes();
  return { response, body, spans: await chain.stop() };
}

/** The outcome if the last link of the chain is a raw server with this handler. */
async function askRaw(onData: (socket: Socket, text: string) => void): Promise<Outcome> {
  await using server = await startRawServer(onData);
  return await askThrough(server.url);
}

function expectFailure({ response, body, spans }: Outcome, status: number, reason: string, message: string) {
  expect(response.status).toBe(status);
  expect(response.headers.get("content-type")).toBe("application/json");
  const text = new TextDecoder().decode(body);
  expect(text).toBe(`${JSON.stringify({ message: `call to c failed: ${message}`, service: "c" })}\n`);
  // a: SERVER, CLIENT; b: SERVER and the CLIENT whose call failed.
  expect(spans.map(({ kind, localEndpoint }) => `${localEndpoint?.serviceName} ${kind}`).sort()).toEqual([
    "a CLIENT",
    "a SERVER",
    "b CLIENT",
    "b SERVER",
  ]);
  const failed = spans.find(
    ({ kind, localEndpoint }) => kind === "CLIENT" && localEndpoint?.serviceName === "b",
  );
  expect(failed?.tags).toMatchObject({
    error: `${reason}: ${message}`,
    "error.type": reason,
    "otel.status_code": "ERROR",
  });
  expect(failed?.tags?.["http.status_code"]).toBeUndefined();
  for (const span of spans.filter((it) => it !== failed)) {
    expect(span.tags).toMatchObject({
      error: String(status),
      "error.type": String(status),
      "http.status_code": String(status),
    });
  }
}

const STATUS = "the status is not a number from 100 to 599, or was not requested";

describe("a link answers with 502 if its call", () => {
  test("is refused", async () => {
    expectFailure(await askThrough(CLOSED_PORT), 502, "connection_refused", "connection refused");
  });

  test("goes to an unknown name", async () => {
    const outcome = await askThrough("http://no-such-service.invalid");
    expectFailure(outcome, 502, "name_not_resolved", "name not resolved: no such host");
  });

  const CUT = "connection closed before the response was complete";
  const RESET = "connection reset before the response was complete";

  test("is closed before an answer", async () => {
    expectFailure(await askRaw((socket) => socket.end()), 502, "connection_reset", CUT);
    expectFailure(await askRaw((socket) => socket.resetAndDestroy()), 502, "connection_reset", RESET);
  });

  test("is cut off in the middle of a body", async () => {
    const half = "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\nhalf";
    const outcome = await askRaw((socket) => socket.write(half, () => socket.resetAndDestroy()));
    expectFailure(outcome, 502, "connection_reset", RESET);
  });

  test("is cut off in the middle of a chunked body", async () => {
    const half = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n";
    expectFailure(await askRaw((socket) => socket.end(half)), 502, "connection_reset", CUT);
  });

  test.each([
    ["another protocol", "SSH-2.0-OpenSSH_9.6\r\n\r\n", "the first line is not that of an HTTP/1.1 message"],
    [
      "a malformed length",
      "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
      "Content-Length is not one decimal number",
    ],
    [
      "a malformed chunk size",
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
      "the chunks of the body are malformed",
    ],
    ["an upgrade", "HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n", STATUS],
    [
      "a header with NUL",
      "HTTP/1.1 200 OK\r\nContent-Type: a\0b\r\nContent-Length: 0\r\n\r\n",
      "a header value contains a control character",
    ],
  ])("is answered with %s", async (_what, bytes, message) => {
    expectFailure(await askRaw((socket) => socket.write(bytes)), 502, "malformed_response", message);
  });

  test.each([99, 600, 999])("is answered with status %d, which no link could pass on", async (status) => {
    const answer = rawAnswer(status, "abc").replace(` ${status} `, ` ${String(status).padStart(3, "0")} `);
    expectFailure(await askRaw((socket) => socket.write(answer)), 502, "malformed_response", STATUS);
  });

  test("is answered with an endless body, which does not fill the memory", async () => {
    const chunk = `100000\r\n${"x".repeat(0x100000)}\r\n`;
    const outcome = await askRaw((socket) => {
      socket.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
      const writeMore = () => {
        while (!socket.destroyed && socket.write(chunk));
      };
      socket.on("drain", writeMore);
      writeMore();
    });
    expectFailure(outcome, 502, "response_too_large", "the response is too large");
  });

  test("is answered with a Content-Length above the limit", async () => {
    const outcome = await askRaw((socket) =>
      socket.write("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\nabc"),
    );
    expectFailure(outcome, 502, "response_too_large", "the response is too large");
  });
});

describe("a link passes on", () => {
  const passes = async (answer: Response, expectedBody: Uint8Array) => {
    const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => answer });
    const outcome = await askThrough(`http://127.0.0.1:${server.port}`);
    await server.stop(true);
    expect(outcome.body).toEqual(expectedBody);
    return outcome.response;
  };
  const ALL_BYTES = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);

  test("a binary answer unchanged", async () => {
    const headers = { "Content-Type": "application/octet-stream" };
    const response = await passes(new Response(ALL_BYTES, { headers }), ALL_BYTES);
    expect(response.headers.get("content-type")).toBe("application/octet-stream");
  });

  test("the character set of an answer", async () => {
    const bytes = Uint8Array.of(0xe9, 0x0a);
    const headers = { "Content-Type": "text/plain; charset=latin1" };
    const response = await passes(new Response(bytes, { headers }), bytes);
    expect(response.headers.get("content-type")).toBe("text/plain; charset=latin1");
  });

  test("a compressed answer with its Content-Encoding", async () => {
    const bytes = new Uint8Array(gzipSync('{"message":"compressed"}'));
    const headers = { "Content-Type": "application/json", "Content-Encoding": "gzip" };
    const response = await passes(new Response(bytes, { headers }), bytes);
    expect(response.headers.get("content-encoding")).toBe("gzip");
    expect(response.headers.get("content-type")).toBe("application/json");
  });

  test("an answer without a Content-Type", async () => {
    const untyped = await askRaw((socket) => socket.write(rawAnswer(200, "abc")));
    expect(untyped.body).toEqual(new TextEncoder().encode("abc"));
    expect(untyped.response.headers.get("content-type")).toBeNull();
  });

  test("an answer without a body", async () => {
    expect((await passes(new Response(null, { status: 204 }), new Uint8Array())).status).toBe(204);
    expect((await passes(new Response(null, { status: 304 }), new Uint8Array())).status).toBe(304);
  });

  test("an error answer unchanged", async () => {
    const headers = { "Content-Type": "text/html" };
    const body = "<h1>teapot</h1>";
    const response = await passes(
      new Response(body, { status: 418, headers }),
      new TextEncoder().encode(body),
    );
    expect(response.status).toBe(418);
    expect(response.headers.get("content-type")).toBe("text/html");
  });

  test("a chunked body, and a body that ends with the connection", async () => {
    const chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    const abcde = new TextEncoder().encode("abcde");
    expect((await askRaw((socket) => socket.write(chunked))).body).toEqual(abcde);
    expect((await askRaw((socket) => socket.end("HTTP/1.0 200 OK\r\n\r\nabcde"))).body).toEqual(abcde);
  });

  test("no other headers", async () => {
    const headers = { "Set-Cookie": "a=b", "X-Secret": "1", Connection: "close" };
    const response = await passes(new Response("x", { headers }), new TextEncoder().encode("x"));
    for (const name of ["set-cookie", "x-secret", "connection"])
      expect(response.headers.get(name)).toBeNull();
  });
});

test("an idle connection that the callee closed causes no error", async () => {
  await using server = await startRawServer((socket) => {
    socket.write(rawAnswer(200, "ok"));
    setTimeout(() => socket.end(), 5);
  });
  await using chain = startChain(quickChain("a", "b"), { absent: ["b"], urls: { b: server.url } });
  for (let count = 0; count < 20; count++) {
    expect((await fetch(chain.url)).status).toBe(200);
    await Bun.sleep(count % 10);
  }
});
