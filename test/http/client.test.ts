import { afterEach, expect, test } from "bun:test";
import type { Socket } from "node:net";
import { Client, type ClientOptions, type Outcome } from "../../src/http/client.ts";
import type { Failure } from "../../src/http/failure.ts";
import { CLOSED_PORT } from "../helpers/chain.ts";
import { type RawServer, rawAnswer, startRawServer } from "../helpers/raw-http.ts";

const clients: Client[] = [];
const servers: RawServer[] = [];

afterEach(async () => {
  for (const client of clients.splice(0)) client.close();
  for (const server of servers.splice(0)) await server[Symbol.asyncDispose]();
});

function makeClient(options?: ClientOptions): Client {
  const client = new Client(options);
  clients.push(client);
  return client;
}

/** `index` counts the requests of the connection. */
async function serve(answer: (socket: Socket, index: number, request: string) => void): Promise<RawServer> {
  const counts = new WeakMap<Socket, number>();
  const server = await startRawServer((socket, text) => {
    const index = counts.get(socket) ?? 0;
    counts.set(socket, index + 1);
    answer(socket, index, text);
  });
  servers.push(server);
  return server;
}

/** The client's result for `pieces`, sent one after the other; `null` ends the connection. */
async function callWith(pieces: readonly (string | null)[], options?: ClientOptions): Promise<Outcome> {
  const { url } = await serve(async (socket) => {
    for (const piece of pieces) {
      if (piece === null) socket.end();
      else socket.write(Buffer.from(piece, "latin1"));
      if (pieces.length > 1) await Bun.sleep(2);
    }
  });
  return makeClient(options).request(url, { timeoutMs: 1000 });
}

function readBody(outcome: Outcome): string {
  return outcome.kind === "reply" ? `${outcome.status} ${outcome.body.toString("latin1")}` : outcome.reason;
}

test("a request has the given request line, Host, headers and body", async () => {
  let seen = "";
  const { url } = await serve((socket, _, request) => {
    seen += request;
    socket.write(rawAnswer(200, "ok"));
  });
  const headers = [["X-A", "b"]] as const;
  await makeClient().request(`${url}/a?b=c#d`, { method: "POST", headers, body: "né", timeoutMs: 1000 });
  const host = url.slice("http://".length);
  expect(seen).toBe(`POST /a?b=c HTTP/1.1\r\nHost: ${host}\r\nX-A: b\r\nContent-Length: 3\r\n\r\nn\xc3\xa9`);
});

for (const [what, pieces, expected] of [
  ["a length", [rawAnswer(200, "hello")], "200 hello"],
  ["a length of 0", [rawAnswer(404, "")], "404 "],
  ["a body in pieces", ["HTTP/1.1 200 OK\r\nContent-", "Length: 6\r\n\r\nab", "cd", "ef"], "200 abcdef"],
  [
    "chunks in pieces",
    [
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3",
      "\r\nab",
      "c\r\nA;x=y\r\n0123456789\r",
      "\n0\r\nT: v\r\n\r",
      "\n",
    ],
    "200 abc0123456789",
  ],
  ["the end of the connection", ["HTTP/1.1 200 OK\r\n\r\nall", " of it", null], "200 all of it"],
  ["HTTP/1.0", ["HTTP/1.0 200 OK\r\n\r\nold", null], "200 old"],
  ["no reason phrase", ["HTTP/1.1 200\r\nContent-Length: 1\r\n\r\na"], "200 a"],
  ["204 with a length", ["HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n"], "204 "],
  ["304 with a length", ["HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n"], "304 "],
  [
    "interim replies",
    ["HTTP/1.1 100 Continue\r\n\r\n", `HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n${rawAnswer(200, "ok")}`],
    "200 ok",
  ],
  [
    "a redirect, which is not followed",
    ["HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n"],
    "302 ",
  ],
] as const) {
  test(`reads ${what}`, async () => {
    expect(readBody(await callWith(pieces))).toBe(expected);
  });
}

for (const [what, pieces, reason] of [
  ["garbage", ["\x00\x01\x02 no HTTP"], "malformed_response"],
  ["HTTP/2", ["HTTP/2 200\r\n\r\n"], "malformed_response"],
  ["a status of 600", ["HTTP/1.1 600 X\r\nContent-Length: 0\r\n\r\n"], "malformed_response"],
  ["an upgrade", ["HTTP/1.1 101 Switching Protocols\r\n\r\n"], "malformed_response"],
  ["interim replies without end", ["HTTP/1.1 102 X\r\n\r\n".repeat(20)], "malformed_response"],
  [
    "two lengths",
    ["HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"],
    "malformed_response",
  ],
  [
    "a length and chunks",
    ["HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    "malformed_response",
  ],
  ["another coding", ["HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", null], "malformed_response"],
  ["malformed chunks", ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"], "malformed_response"],
  ["a folded header", ["HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"], "malformed_response"],
  ["a header of 1 MB", [`HTTP/1.1 200 OK\r\nA: ${"b".repeat(1_000_000)}\r\n\r\n`], "malformed_response"],
  ["nothing", [null], "connection_reset"],
  ["half a head", ["HTTP/1.1 200 OK\r\nContent-", null], "connection_reset"],
  ["half a body", ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", null], "connection_reset"],
  [
    "half of the chunks",
    ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", null],
    "connection_reset",
  ],
  ["a long body", ["HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"], "response_too_large"],
  ["a long chunk", ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n"], "response_too_large"],
  ["a body without end", ["HTTP/1.1 200 OK\r\n\r\n", "x".repeat(60), "x".repeat(60)], "response_too_large"],
] as const) {
  test(`${what} is ${reason}`, async () => {
    expect(readBody(await callWith(pieces, { limits: { bodyBytes: 100 } }))).toBe(reason);
  });
}

test("a reset is connection_reset", async () => {
  const { url } = await serve((socket) => void socket.resetAndDestroy());
  expect(readBody(await makeClient().request(url, { timeoutMs: 1000 }))).toBe("connection_reset");
});

test("a closed port is connection_refused, an unknown name name_not_resolved", async () => {
  const client = makeClient();
  expect(readBody(await client.request(CLOSED_PORT, { timeoutMs: 1000 }))).toBe("connection_refused");
  expect(readBody(await client.request("http://no.such.name.invalid", { timeoutMs: 5000 }))).toBe(
    "name_not_resolved",
  );
  expect(client.upstream(CLOSED_PORT).size).toBe(0);
});

test("a listener is never called before call returns, however early the failure is known", async () => {
  const client = makeClient();
  const closed = makeClient();
  closed.close();
  const bytes = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  // No route, an invalid address, a closed port, a closed client: the runtime reports the first two synchronously.
  for (const [from, url] of [
    [client, "http://224.0.0.1"],
    [client, "http://255.255.255.255"],
    [client, "http://[fe80::1]"],
    [client, CLOSED_PORT],
    [closed, CLOSED_PORT],
  ] as const) {
    let hasReturned = false;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    from.upstream(url).call(bytes, bytes.length, performance.now() + 5000, {
      onReply: () => resolve(false),
      onFailure: () => resolve(hasReturned),
    });
    hasReturned = true;
    expect([url, await promise]).toEqual([url, true]);
  }
});

test.skipIf(process.platform !== "linux")("an unreachable network is not reported as a refusal", async () => {
  const outcome = await makeClient().request("http://224.0.0.1", { timeoutMs: 1000 });
  expect(outcome).toMatchObject({ reason: "network_unreachable", message: "network is unreachable" });
});

test("a body that is mostly dropped is read to its end and checked against its limit", async () => {
  const chunks = `${"400\r\n".concat("x".repeat(1024))}\r\n`.repeat(300);
  const chunked = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
  const { url } = await serve((socket, index) => {
    if (index === 0) socket.write(rawAnswer(200, "x".repeat(300_000)));
    else if (index === 1) socket.write(chunked);
    else socket.end(`HTTP/1.1 200 OK\r\n\r\n${"x".repeat(300_000)}`);
  });
  const client = makeClient({ limits: { keptBodyBytes: 10 } });
  for (let i = 0; i < 3; i++) {
    expect(readBody(await client.request(url, { timeoutMs: 5000 }))).toBe(`200 ${"x".repeat(10)}`);
  }
  const strict = makeClient({ limits: { keptBodyBytes: 10, bodyBytes: 200_000 } });
  for (let i = 0; i < 3; i++) {
    expect(readBody(await strict.request(url, { timeoutMs: 5000 }))).toBe("response_too_large");
  }
});

test("a reply to HEAD has no body, whatever its Content-Length is", async () => {
  const { url } = await serve((socket) => void socket.write("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"));
  const client = makeClient();
  for (let i = 0; i < 2; i++) {
    expect(readBody(await client.request(url, { method: "HEAD", timeoutMs: 1000 }))).toBe("200 ");
  }
  expect(client.upstream(url).size).toBe(1);
});

test("calls end in the order of their deadlines, and none before its own", async () => {
  const { url } = await serve(() => {});
  const client = makeClient();
  const startMs = performance.now();
  const ended: number[] = [];
  await Promise.all(
    [300, 50, 150, 51, 100].map(async (timeoutMs) => {
      expect(readBody(await client.request(url, { timeoutMs }))).toBe("timeout");
      expect(performance.now() - startMs).toBeGreaterThanOrEqual(timeoutMs - 1);
      ended.push(timeoutMs);
    }),
  );
  expect(ended).toEqual([50, 51, 100, 150, 300]);
  expect(client.upstream(url).size).toBe(0);
});

test("a reply that trickles in is abandoned at the deadline", async () => {
  const { url } = await serve((socket) => {
    socket.write("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
    const drip = setInterval(() => socket.write("x"), 5);
    socket.on("close", () => clearInterval(drip));
  });
  expect(readBody(await makeClient().request(url, { timeoutMs: 60 }))).toBe("timeout");
});

test("a TLS server that never answers the handshake is abandoned at the deadline", async () => {
  const server = await serve(() => {});
  const client = makeClient();
  const url = server.url.replace("http", "https");
  expect(readBody(await client.request(url, { timeoutMs: 50 }))).toBe("timeout");
  expect(client.upstream(url).size).toBe(0);
});

test("connections are reused, and there are at most as many as calls in flight", async () => {
  const server = await serve((socket) => void setTimeout(() => socket.write(rawAnswer(200, "ok")), 2));
  const client = makeClient();
  for (let i = 0; i < 5; i++) {
    await Promise.all([1, 2, 3].map(() => client.request(server.url, { timeoutMs: 1000 })));
  }
  expect(server.connections).toBe(3);
  expect(client.upstream(server.url).idleSize).toBe(3);
});

test("Connection: close, and HTTP/1.0 without keep-alive, end the connection", async () => {
  for (const answer of [
    rawAnswer(200, "ok", ["Connection: close"]),
    rawAnswer(200, "ok").replace("1.1", "1.0"),
  ]) {
    const server = await serve((socket) => void socket.write(answer));
    const client = makeClient();
    for (let i = 0; i < 2; i++)
      expect(readBody(await client.request(server.url, { timeoutMs: 1000 }))).toBe("200 ok");
    expect(server.connections).toBe(2);
    expect(client.upstream(server.url).size).toBe(0);
  }
});

test("two replies for one request: the first counts, and the connection is not used again", async () => {
  for (const pauseMs of [0, 5]) {
    const server = await serve(async (socket, _, request) => {
      const mine = request.includes("/one") ? "one" : "two";
      socket.write(rawAnswer(200, mine) + (pauseMs === 0 ? rawAnswer(200, "wrong") : ""));
      await Bun.sleep(pauseMs);
      if (pauseMs > 0) socket.write(rawAnswer(200, "wrong"));
    });
    const client = makeClient();
    expect(readBody(await client.request(`${server.url}/one`, { timeoutMs: 1000 }))).toBe("200 one");
    await Bun.sleep(pauseMs * 3);
    expect(readBody(await client.request(`${server.url}/two`, { timeoutMs: 1000 }))).toBe("200 two");
    expect(server.connections).toBe(2);
  }
});

test("a call on a reused connection that closes before any byte is repeated once on a new one, and is marked so", async () => {
  const server = await serve((socket, index) => {
    if (index === 0) socket.write(rawAnswer(200, "ok"));
    else socket.destroy();
  });
  const client = makeClient();
  const first = await client.request(server.url, { timeoutMs: 1000 });
  const second = await client.request(server.url, { timeoutMs: 1000 });
  expect(first).toMatchObject({ status: 200, isRepeated: false });
  expect(second).toMatchObject({ status: 200, isRepeated: true });
  expect(server.connections).toBe(2);
});

test("a call is not repeated twice", async () => {
  let requests = 0;
  const server = await serve((socket) => {
    if (requests++ === 0) socket.write(rawAnswer(200, "ok"));
    else socket.destroy();
  });
  const client = makeClient();
  await client.request(server.url, { timeoutMs: 1000 });
  const outcome = await client.request(server.url, { timeoutMs: 1000 });
  expect(outcome).toMatchObject({ kind: "failure", reason: "connection_reset", isRepeated: true });
  expect(requests).toBe(3);
});

for (const [what, method, start] of [
  ["behind the first byte of the answer", "GET", "H"],
  ["when the method is not safe", "POST", ""],
] as const) {
  test(`a call is not repeated ${what}`, async () => {
    const server = await serve((socket, index) => {
      if (index === 0) socket.write(rawAnswer(200, "ok"));
      else socket.end(start);
    });
    const client = makeClient();
    await client.request(server.url, { timeoutMs: 1000 });
    const outcome = await client.request(server.url, { method, timeoutMs: 1000 });
    expect(outcome).toMatchObject({ kind: "failure", reason: "connection_reset", isRepeated: false });
    expect(server.connections).toBe(1);
  });
}

test("a call is not repeated if its connection was new", async () => {
  const server = await serve((socket) => void socket.destroy());
  expect(await makeClient().request(server.url, { timeoutMs: 1000 })).toMatchObject({
    reason: "connection_reset",
    isRepeated: false,
  });
  expect(server.connections).toBe(1);
});

test("an idle connection that the server closed is not reused", async () => {
  const server = await serve((socket) => {
    socket.write(rawAnswer(200, "ok"));
    setTimeout(() => socket.end(), 2);
  });
  const client = makeClient();
  await client.request(server.url, { timeoutMs: 1000 });
  while (client.upstream(server.url).size > 0) await Bun.sleep(1);
  expect(await client.request(server.url, { timeoutMs: 1000 })).toMatchObject({ isRepeated: false });
});

test("connections that are idle or old are closed, so that names are resolved again", async () => {
  for (const limits of [{ idleTimeoutMs: 30 }, { maxAgeMs: 30 }]) {
    const server = await serve((socket) => void socket.write(rawAnswer(200, "ok")));
    const client = makeClient({ limits });
    await client.request(server.url, { timeoutMs: 1000 });
    expect(client.upstream(server.url).size).toBe(1);
    while (client.upstream(server.url).size > 0) await Bun.sleep(5);
  }
});

test("a connection that grows old under steady use is replaced", async () => {
  const server = await serve((socket) => void setTimeout(() => socket.write(rawAnswer(200, "ok")), 10));
  const client = makeClient({ limits: { maxAgeMs: 30 } });
  const endMs = performance.now() + 150;
  while (performance.now() < endMs) {
    expect(await client.request(server.url, { timeoutMs: 1000 })).toMatchObject({
      status: 200,
      isRepeated: false,
    });
  }
  expect(server.connections).toBeGreaterThan(1);
});

test("a large request reaches a server that is slow to read", async () => {
  let size = 0;
  const body = "x".repeat(6_000_000);
  const server = await serve((socket, index, text) => {
    if (index === 0) {
      socket.pause();
      setTimeout(() => socket.resume(), 30);
    }
    size += text.length;
    if (size > body.length) socket.write(rawAnswer(200, "whole"));
  });
  const outcome = await makeClient().request(server.url, { method: "POST", body, timeoutMs: 5000 });
  expect(readBody(outcome)).toBe("200 whole");
});

test("a header or a method that cannot be sent throws", () => {
  const client = makeClient();
  for (const headers of [[["A", "b\r\nC: d"]], [["A b", "c"]], [["A", "\u{1f600}"]]] as const) {
    expect(() => client.request(CLOSED_PORT, { headers, timeoutMs: 1000 })).toThrow(TypeError);
  }
  expect(() => client.request(CLOSED_PORT, { method: "GET /x", timeoutMs: 1000 })).toThrow(TypeError);
  expect(() => client.upstream("ftp://a")).toThrow(TypeError);
});

test("a closed client ends its calls and accepts no more", async () => {
  const { url } = await serve(() => {});
  const client = makeClient();
  const call = client.request(url, { timeoutMs: 5000 });
  await Bun.sleep(5);
  client.close();
  expect(readBody(await call)).toBe("client_closed");
  expect(readBody(await client.request(url, { timeoutMs: 5000 }))).toBe("client_closed");
});

test("a listener may call again from within its answer, on the same connection", async () => {
  const server = await serve((socket) => void socket.write(rawAnswer(200, "ok")));
  const upstream = makeClient().upstream(server.url);
  const request = Buffer.from("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  const bodies: string[] = [];
  await new Promise<void>((resolve, reject) => {
    const call = () =>
      upstream.call(request, request.length, performance.now() + 1000, {
        onReply(reply) {
          if (bodies.length < 20) call();
          else resolve();
          bodies.push(`${reply.status} ${reply.body} ${reply.header("content-length")}`);
        },
        onFailure: (failure: Failure) => reject(new Error(failure.message)),
      });
    call();
  });
  expect(new Set(bodies)).toEqual(new Set(["200 ok 2"]));
  expect(server.connections).toBe(1);
});
