import { afterEach, expect, test } from "bun:test";
import { type Answer, prepareHead } from "../../src/http/answer.ts";
import { answerWith, type Exchange, type Handler } from "../../src/http/exchange.ts";
import type { ServerLimits } from "../../src/http/limits.ts";
import { describeRejection } from "../../src/http/rejections.ts";
import { type Server, startServer } from "../../src/http/server.ts";
import { RawCaller } from "./peer.ts";

const opened: Server[] = [];
const callers: RawCaller[] = [];

afterEach(async () => {
  for (const caller of callers.splice(0)) caller.close();
  await Promise.all(opened.splice(0).map((server) => server.close()));
});

function serve(handler: Handler, limits: Partial<ServerLimits> = {}): Server {
  const server = startServer({ host: "127.0.0.1", port: 0, limits }, handler);
  opened.push(server);
  return server;
}

async function connect({ port }: Server): Promise<RawCaller> {
  const caller = await RawCaller.connect(port);
  callers.push(caller);
  return caller;
}

const text = (body: string, headers: Answer["headers"] = []): Answer => ({ status: 200, headers, body });
const echo = answerWith((request) => text(`${request.method} ${request.target} ${request.body}`));
const answerLater = (delayMs: number, give: (request: Exchange) => Answer) =>
  answerWith(async (request) => {
    await Bun.sleep(delayMs);
    return give(request);
  });
const GET = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";

/** Everything that the server sends in response to `sent` until it ends the connection. */
async function exchange(server: Server, sent: string): Promise<string> {
  const caller = await connect(server);
  caller.send(sent);
  return caller.untilEnd();
}

test("a request has method, target, path, headers, body and peer", async () => {
  const seen: unknown[] = [];
  const server = serve(
    answerWith((request) => {
      seen.push([
        request.method,
        request.target,
        request.path,
        request.header("BAGGAGE"),
        request.header("x"),
      ]);
      seen.push([request.body.toString(), request.peer?.address]);
      return text("");
    }),
  );
  await exchange(
    server,
    "POST http://h:1/a/b?c=d HTTP/1.1\r\nHost: h\r\nBaggage: a=1\r\nbaggage:  b=2\t\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok",
  );
  expect(seen).toEqual([
    ["POST", "/a/b?c=d", "/a/b", "a=1, b=2", null],
    ["ok", "127.0.0.1"],
  ]);
});

test("an answer has its date, its length and the given headers", async () => {
  const server = serve(answerWith(() => ({ status: 404, headers: [["X-A", "b\xe9"]], body: "né" })));
  const answer = await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  expect(answer).toMatch(
    /^HTTP\/1\.1 404 Not Found\r\nDate: \w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT\r\nX-A: b\xe9\r\nContent-Length: 3\r\nConnection: close\r\n\r\nn\xc3\xa9$/,
  );
});

test("pipelined requests are answered one at a time, in order", async () => {
  let running = 0;
  const server = serve(
    answerWith(async (request) => {
      expect(++running).toBe(1);
      await Bun.sleep(request.path === "/0" ? 20 : 1);
      running--;
      return text(`<${request.path}>`);
    }),
  );
  const caller = await connect(server);
  caller.send([0, 1, 2, 3].map((i) => `GET /${i} HTTP/1.1\r\nHost: a\r\n\r\n`).join(""));
  const answers = await caller.untilText("</3>");
  expect([...answers.matchAll(/<\/(\d)>/g)].map(([, i]) => i)).toEqual(["0", "1", "2", "3"]);
});

test("a head may arrive byte by byte, followed by the next one on the same connection", async () => {
  const caller = await connect(serve(echo));
  for (const part of "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: a\r\n\r\n") {
    caller.send(part);
    await Bun.sleep(0);
  }
  const answers = await caller.untilText("GET /b ");
  expect(answers).toContain("POST /a abc");
});

for (const [what, request, status] of [
  ["no version", "GET /\r\nHost: a\r\n\r\n", 400],
  ["HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505],
  ["a TLS greeting", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400],
  ["a bare line feed", "GET / HTTP/1.1\nHost: a\n\n", 400],
  ["a folded header", "GET / HTTP/1.1\r\nHost: a\r\nA: b\r\n c\r\n\r\n", 400],
  ["whitespace before the colon", "GET / HTTP/1.1\r\nHost: a\r\nA : b\r\n\r\n", 400],
  ["a carriage return in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\rc\r\n\r\n", 400],
  ["NUL in a value", "GET / HTTP/1.1\r\nHost: a\r\nA: b\0c\r\n\r\n", 400],
  ["no Host", "GET / HTTP/1.1\r\n\r\n", 400],
  ["two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400],
  ["two different Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400],
  ["a Host header in front of the request line's end", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400],
  ["a Host that is folded", "GET / HTTP/1.1\r\nHost:\r\n a\r\n\r\n", 400],
  ["whitespace before the first header", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400],
  ["a header without a colon", "GET / HTTP/1.1\r\nHost: a\r\nA\r\n\r\n", 400],
  ["no method", " / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a tab after the method", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["two spaces after the method", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a fragment", "GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a fragment of a whole URL", "GET http://a/b?c#d HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a path without a slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["an asterisk with GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["an asterisk and more", "OPTIONS *a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a host and port with GET", "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["another scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL with a user", "GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL without a host", "GET http:///b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL with a port only", "GET http://:80/b HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL without anything", "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL with a malformed port", "GET http://a:b/ HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["a URL and no Host", "GET http://a/ HTTP/1.1\r\n\r\n", 400],
  ["CONNECT", "CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501],
  ["CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400],
  ["HTTP/0.9", "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 505],
  ["a version in small letters", "GET / http/1.1\r\nHost: a\r\n\r\n", 400],
  ["a version of three digits", "GET / HTTP/1.11\r\nHost: a\r\n\r\n", 400],
  ["a response", "HTTP/1.1 200 OK\r\n\r\n", 400],
  ["chunks of HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400],
  ["chunks twice", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400],
  ["chunks inside", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n", 400],
  ["an unknown coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n", 501],
  ["two lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\na", 400],
  ["a list of lengths", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\na", 400],
  ["a signed length", "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\na", 400],
  [
    "a length and chunks",
    "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    400,
  ],
  ["another coding", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n", 501],
  ["malformed chunks", "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n\r\n", 400],
  [
    "a chunk extension without a name",
    "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2;\r\nok\r\n0\r\n\r\n",
    400,
  ],
  ["another expectation", "GET / HTTP/1.1\r\nHost: a\r\nExpect: a miracle\r\n\r\n", 417],
  ["large headers", `GET / HTTP/1.1\r\nHost: a\r\nA: ${"b".repeat(40_000)}\r\n\r\n`, 431],
  ["many headers", `GET / HTTP/1.1\r\nHost: a\r\n${"A:\r\n".repeat(300)}\r\n`, 431],
  ["an endless start", "a".repeat(40_000), 431],
  ["a large body", `POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n`, 413],
  [
    "a large chunk",
    `POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n100001\r\n`,
    413,
  ],
] as const) {
  test(`${what} is refused with ${status}, and the connection is closed`, async () => {
    let handled = 0;
    const server = serve((request) => {
      handled++;
      echo(request);
    });
    const answer = await exchange(server, request);
    expect(answer).toStartWith(`HTTP/1.1 ${status} `);
    expect(answer).toContain("Connection: close\r\n");
    expect(answer.match(/HTTP\/1\.1 \d/g)).toHaveLength(1);
    expect(handled).toBe(0);
  });
}

const CHUNKED =
  "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\n0\r\n";

for (const [what, trailers] of [
  ["without a colon", "X-A\r\n"],
  ["without a name", ": b\r\n"],
  ["with whitespace before the colon", "X-A : b\r\n"],
  ["that is folded", "X-A: b\r\n c\r\n"],
  ["with NUL", "X-A: b\0c\r\n"],
  ["with a bare line feed", "X-A: b\n"],
] as const) {
  test(`a trailer line ${what} is rejected with 400`, async () => {
    const server = serve(echo);
    for (const before of ["", "X-B: c\r\n"])
      expect(await exchange(server, `${CHUNKED}${before}${trailers}\r\n`)).toStartWith("HTTP/1.1 400 ");
  });
}

test("trailers are read and discarded, whatever they contain", async () => {
  const answer = await exchange(
    serve(echo),
    `${CHUNKED}X-A: b\r\nX-C:\r\nContent-Length: 99\r\nHost: b\r\n\r\n`,
  );
  expect(answer).toEndWith("POST / ok");
});

const HOSTS = [
  "a",
  "a.b-c_d",
  "a:80",
  "a:",
  "127.0.0.1:8000",
  "[::1]",
  "[2001:db8::1]:80",
  "[v1.x:y]",
  "a%20b",
  "~!$&'()*+,;=",
  "",
];
const NO_HOSTS = [
  "a b",
  "a/b",
  "a?b",
  "http://a",
  "u@a",
  "a:b",
  "a:80:80",
  "a:-1",
  "a:65536",
  ":80",
  "::1",
  "[::1",
  "[::1]a",
  "[::1%25eth0]",
  "[]",
  "[g::]",
  "a[",
  "a%2",
  "a%zz",
  "a\\b",
  'a"b',
  "<a>",
  "a\tb",
  "\xe4",
  "a, b",
];

test("a Host that RFC 3986 allows is accepted, and so is an empty one", async () => {
  const server = serve(answerWith((request) => text(`<${request.host}>`)));
  for (const host of HOSTS) {
    const answer = await exchange(server, `GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
    expect(answer).toEndWith(`\r\n\r\n<${host}>`);
  }
});

test("any other Host is rejected with 400, even from HTTP/1.0", async () => {
  const server = serve(echo);
  for (const host of NO_HOSTS) {
    for (const version of ["1.0", "1.1"]) {
      const answer = await exchange(server, `GET / HTTP/${version}\r\nHost: ${host}\r\n\r\n`);
      expect([host, answer.slice(9, 12)]).toEqual([host, "400"]);
    }
  }
});

test("a complete URL is accepted as the target, and its host takes precedence over Host", async () => {
  const server = serve(answerWith((request) => text(`<${request.host} ${request.target} ${request.path}>`)));
  for (const [target, seen] of [
    ["http://b", "b / /"],
    ["HttP://b/c", "b /c /c"],
    ["https://b:81/c?d=e", "b:81 /c?d=e /c"],
    ["http://b?d=e", "b /?d=e /"],
    ["http://[::1]:82/", "[::1]:82 / /"],
  ]) {
    const answer = await exchange(server, `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(answer).toEndWith(`\r\n\r\n<${seen}>`);
  }
});

test("every rejection is counted by status and reason, and reported with its caller and first line", async () => {
  const told: string[] = [];
  const server = startServer(
    {
      host: "127.0.0.1",
      port: 0,
      limits: { headTimeoutMs: 40, bodyTimeoutMs: 40, connections: 1 },
      onRejection: (rejection) => told.push(describeRejection(rejection)),
    },
    echo,
  );
  opened.push(server);
  const counts = () => server.rejections.renderMetric().split("\n").slice(2, -1);
  expect(counts()).toEqual([]);
  for (const request of [
    "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
    "\r\nGET /\x1b[31m HTTP/1.1\r\nHost: a\r\n\r\n",
    "PUT /body HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\n",
    "PUT /chunks HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
    "GET / HTTP/1.1\r\nHost: a\r\nExpect: b\r\n\r\n",
    "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n",
    "GET / HTTP/3.0\r\n\r\n",
    `GET /${"a".repeat(40_000)} HTTP/1.1\r\n`,
    "GET /slow HTTP/1.1\r\n",
    "PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab",
  ]) {
    await exchange(server, request);
    while (server.connections > 0) await Bun.sleep(1);
  }
  const open = await connect(server);
  open.send(GET);
  await open.untilText("GET /");
  expect(await (await connect(server)).untilEnd()).toStartWith("HTTP/1.1 503 ");
  expect(counts()).toEqual(
    [
      '{code="400",reason="host"} 1',
      '{code="400",reason="start_line"} 1',
      '{code="413",reason="body_too_large"} 1',
      '{code="400",reason="chunk"} 1',
      '{code="417",reason="expectation"} 1',
      '{code="501",reason="transfer_coding"} 1',
      '{code="505",reason="version"} 1',
      '{code="431",reason="headers_too_large"} 1',
      '{code="408",reason="headers_timeout"} 1',
      '{code="408",reason="body_timeout"} 1',
      '{code="503",reason="connections"} 1',
    ].map((sample) => `chain_link_http_rejected_requests_total${sample}`),
  );
  expect(told.map((line) => line.replace(/ port \d+/, ""))).toEqual([
    'rejected a request from 127.0.0.1 with 400, Host is not a host name with an optional port: "GET / HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 400, the first line is not that of an HTTP/1.1 message: "GET /^[[31m HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 413, the body is too large: "PUT /body HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 400, the chunks of the body are malformed: "PUT /chunks HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 417, Expect is not 100-continue: "GET / HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 501, Transfer-Encoding is not chunked: "PUT / HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 505, the version is not HTTP/1.0 or HTTP/1.1: "GET / HTTP/3.0"',
    `rejected a request from 127.0.0.1 with 431, the headers are too large: "GET /${"a".repeat(95)}"`,
    'rejected a request from 127.0.0.1 with 408, the headers took too long: "GET /slow HTTP/1.1"',
    'rejected a request from 127.0.0.1 with 408, the body took too long: "PUT /slow HTTP/1.1"',
    "rejected a connection from 127.0.0.1 with 503, too many connections are open",
  ]);
});

test("bytes after a rejected request are not read as another request", async () => {
  const server = serve(echo);
  expect(await exchange(server, `GET / HTTP/1.1\r\n\r\n${GET}`)).not.toContain("200 OK");
});

test("a rejected sender that keeps sending still gets the answer", async () => {
  const server = serve(echo);
  const caller = await connect(server);
  caller.pause();
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000000\r\n\r\n");
  await Bun.sleep(5);
  for (let i = 0; i < 20; i++) {
    caller.send("x".repeat(100_000));
    await Bun.sleep(1);
  }
  // The server keeps reading: a reset could destroy an answer that the sender has not read yet.
  expect(server.connections).toBe(1);
  caller.resume();
  expect(await caller.untilEnd()).toStartWith("HTTP/1.1 413 ");
  while (server.connections > 0) await Bun.sleep(1);
});

test("an HTTP/1.0 connection closes unless keep-alive is requested", async () => {
  const server = serve(echo);
  expect(await exchange(server, "GET / HTTP/1.0\r\n\r\n")).toContain("Connection: close\r\n");
  const caller = await connect(server);
  caller.send("GET /1 HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n");
  expect(await caller.untilText("GET /1")).toContain("Connection: keep-alive\r\n");
  caller.send("GET /2 HTTP/1.0\r\n\r\n");
  expect(await caller.untilEnd()).toContain("GET /2");
});

test("the answer to HEAD has the length, but no body", async () => {
  const caller = await connect(serve(echo));
  caller.send("HEAD / HTTP/1.1\r\nHost: a\r\n\r\nGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
  const answers = await caller.untilText("GET /next");
  expect(answers).toMatch(/Content-Length: 7\r\n\r\nHTTP\/1\.1 200 OK/);
});

test("answers with 204 and 304 have neither a body nor a length", async () => {
  const server = serve(
    answerWith((request) => ({ status: Number(request.path.slice(1)), headers: [], body: "x" })),
  );
  for (const status of [204, 304]) {
    const answer = await exchange(server, `GET /${status} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    expect(answer).toEndWith("GMT\r\nConnection: close\r\n\r\n");
  }
});

test("100-continue is answered before the body, but not if the body has already arrived", async () => {
  const server = serve(echo);
  const caller = await connect(server);
  const head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
  caller.send(head);
  expect(await caller.untilText("\r\n\r\n")).toBe("HTTP/1.1 100 Continue\r\n\r\n");
  caller.send("ok");
  await caller.untilText("POST / ok");
  const second = await connect(server);
  second.send(`${head}ok`);
  expect(await second.untilText("POST / ok")).toStartWith("HTTP/1.1 200");
});

test("a header that cannot be sent results in 500, and no part of it is sent", async () => {
  for (const [name, value] of [
    ["X", "a\r\nSet-Cookie: b"],
    ["X", "a\nb"],
    ["X\r\nY", "a"],
    ["X", "\u{1f600}"],
    ["", "a"],
    ["Content-Length", "99"],
    ["transfer-encoding", "chunked"],
  ] as const) {
    for (const isLate of [false, true]) {
      const answer = text("body", [[name, value]]);
      const server = serve(answerWith(() => (isLate ? Promise.resolve(answer) : answer)));
      const found = await exchange(server, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
      expect(found).toStartWith("HTTP/1.1 500 ");
      expect(found).not.toContain("Set-Cookie");
      expect(found).not.toContain("body");
    }
  }
});

test("a handler that throws is answered with 500, and the next request as usual", async () => {
  let count = 0;
  const server = serve((exchange: Exchange) => {
    if (count++ > 0) return exchange.answer(text("fine"));
    exchange.begin(prepareHead(200, []), 200);
    throw new Error("broken");
  });
  const caller = await connect(server);
  caller.send(GET + GET);
  expect(await caller.untilText("fine")).toMatch(/^HTTP\/1\.1 500 [\s\S]*HTTP\/1\.1 200 /);
});

test("a handler whose promise is rejected is answered with 500", async () => {
  const server = serve(answerWith(() => Promise.reject(new Error("broken"))));
  expect(await exchange(server, "GET / HTTP/1.0\r\n\r\n")).toStartWith("HTTP/1.1 500 ");
});

test("an answer to a caller that has disconnected is dropped", async () => {
  const { promise, resolve } = Promise.withResolvers<Exchange>();
  const server = serve(resolve);
  const caller = await connect(server);
  caller.send(GET);
  const late = await promise;
  caller.close();
  while (server.connections > 0) await Bun.sleep(1);
  expect(late.isGone).toBe(true);
  late.answer(text("late"));
});

test("a caller that ends its side after the request gets its answers", async () => {
  const server = serve(answerLater(5, (request) => text(`<${request.path}>`)));
  const caller = await connect(server);
  caller.send("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
  caller.shutdown();
  const answers = await caller.untilEnd();
  expect(answers).toContain("</1>");
  expect(answers).toContain("</2>");
});

test("a large answer reaches a slow reader completely, and no request is read before that", async () => {
  let handled = 0;
  const body = Buffer.alloc(8_000_000, "abcdefghij");
  const server = serve((exchange) => {
    handled++;
    exchange.answer({ status: 200, headers: [], body });
  });
  const caller = await connect(server);
  caller.pause();
  caller.send(GET + GET);
  await Bun.sleep(30);
  expect(handled).toBe(1);
  caller.resume();
  const answers = await caller.until(() => caller.text.length > 16_000_000);
  const parts = answers.split(/HTTP\/1\.1 200 OK\r\n[\s\S]*?\r\n\r\n/);
  expect(parts.slice(1).every((part) => part === body.toString("latin1"))).toBe(true);
  expect(handled).toBe(2);
});

test("endless pipelined requests from a caller that reads no answers do not pile up", async () => {
  const server = serve(() => {});
  const caller = await connect(server);
  const ahead = GET.repeat(4000);
  let sent = 0;
  for (let i = 0; i < 600; i++) {
    sent += Math.max(0, caller.send(ahead));
    if (i % 10 === 0) await Bun.sleep(1);
  }
  // The server has not refused to read more than what the kernel buffers between the two.
  expect(sent).toBeLessThan((600 * ahead.length) / 2);
});

test("a slow head is refused with 408, an idle connection is closed, and a slow answer may take its time", async () => {
  const server = serve(
    answerLater(250, () => text("slow")),
    { headTimeoutMs: 60, idleTimeoutMs: 60 },
  );
  const idle = await connect(server);
  const slow = await connect(server);
  const waiting = await connect(server);
  waiting.send(GET);
  slow.send("GET / HTTP/1.1\r\n");
  const drip = setInterval(() => slow.send("A: b\r\n"), 10);
  expect(await idle.untilEnd()).toBe("");
  expect(await slow.untilEnd()).toStartWith("HTTP/1.1 408 ");
  clearInterval(drip);
  expect(await waiting.untilText("slow")).toStartWith("HTTP/1.1 200 ");
});

test("a slow body is refused with 408", async () => {
  const server = serve(echo, { bodyTimeoutMs: 40 });
  const caller = await connect(server);
  caller.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  expect(await caller.untilEnd()).toStartWith("HTTP/1.1 408 ");
});

test("a caller that does not read its answer is cut off", async () => {
  const body = Buffer.alloc(8_000_000);
  const server = serve(
    answerWith(() => ({ status: 200, headers: [], body })),
    { idleTimeoutMs: 60 },
  );
  const caller = await connect(server);
  caller.pause();
  caller.send(GET);
  await Bun.sleep(20);
  expect(server.connections).toBe(1);
  while (server.connections > 0) await Bun.sleep(5);
});

test("connections above the limit are rejected with 503, and accepted again when others have closed", async () => {
  const server = serve(echo, { connections: 2 });
  const first = await connect(server);
  const second = await connect(server);
  second.send(GET);
  await second.untilText("GET /");
  const third = await connect(server);
  expect(await third.untilEnd()).toStartWith("HTTP/1.1 503 ");
  expect(server.refusedConnections).toBe(1);
  first.close();
  while (server.connections > 1) await Bun.sleep(1);
  expect(await exchange(server, "GET / HTTP/1.0\r\n\r\n")).toContain("200 OK");
});

test("a stop closes idle connections, answers requests in flight with Connection: close, and accepts no more", async () => {
  const server = serve(answerLater(30, () => text("done")));
  const idle = await connect(server);
  const busy = await connect(server);
  busy.send(GET + GET);
  await Bun.sleep(10);
  const stopped = server.stopAccepting();
  expect(await idle.untilEnd()).toBe("");
  const answer = await busy.untilEnd();
  expect(answer).toContain("Connection: close\r\n");
  expect(answer.split("done").length).toBe(2);
  await stopped;
  expect(server.connections).toBe(0);
  await expect(RawCaller.connect(server.port)).rejects.toThrow();
});

test("a close ends requests in flight immediately", async () => {
  const server = serve(() => {});
  const caller = await connect(server);
  caller.send(GET);
  await Bun.sleep(5);
  await server.close();
  expect(await caller.untilEnd()).toBe("");
});

test("a second server on the same port fails with EADDRINUSE", () => {
  const { port } = serve(echo);
  expect(() => startServer({ host: "127.0.0.1", port }, echo)).toThrow(
    expect.objectContaining({ code: "EADDRINUSE" }),
  );
});

test("a process ends when its server is stopped", async () => {
  const script = `
    import { startServer } from "${import.meta.dir}/../../src/http/server.ts";
    import { Client } from "${import.meta.dir}/../../src/http/client.ts";
    const server = startServer({ host: "127.0.0.1", port: 0 }, (e) => e.answer({ status: 200, headers: [], body: "" }));
    const client = new Client();
    const { status } = await client.request("http://127.0.0.1:" + server.port, { timeoutMs: 60000 });
    client.close();
    await server.stopAccepting();
    process.stdout.write(String(status));`;
  const child = Bun.spawn([process.execPath, "-e", script], { stdout: "pipe", timeout: 4000 });
  expect(await child.stdout.text()).toBe("200");
  expect(await child.exited).toBe(0);
});
