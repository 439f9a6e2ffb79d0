import assert from "node:assert/strict";
import type { Socket } from "bun";
import { ByteWriter } from "../../src/http/byte-writer.ts";
import { ClientConnection, type ConnectionOwner } from "../../src/http/client-connection.ts";
import type { Exchange } from "../../src/http/exchange.ts";
import { CLIENT_LIMITS, SERVER_LIMITS } from "../../src/http/limits.ts";
import { Rejections } from "../../src/http/rejections.ts";
import { ServerConnection } from "../../src/http/server-connection.ts";
import type { ServerContext } from "../../src/http/server-context.ts";
import { Sweeper } from "../../src/http/sweeper.ts";
import { readRequests, readResponse } from "../http/oracle.ts";
import { cut, randomRequests, randomResponse, seededRandom } from "./http-inputs.ts";

/** Small limits, so that inputs reach them. */
const LIMITS = { headBytes: 2048, bodyBytes: 4096 };

/** A socket without a network, which accepts every write. */
class Sink {
  text = "";
  isClosed = false;
  readonly remoteAddress = "";
  readonly remotePort = 0;

  write(bytes: Uint8Array, start = 0, count: number = bytes.length - start): number {
    this.text += Buffer.from(bytes.subarray(start, start + count)).toString("latin1");
    return count;
  }
  end(): void {
    this.isClosed = true;
  }
  terminate(): void {
    this.isClosed = true;
  }
  shutdown(): void {}
  pause(): void {}
  resume(): void {}
}

const REQUEST = Buffer.from("GET / HTTP/1.1\r\n\r\n");
const HEAD_REQUEST = Buffer.from("HEAD / HTTP/1.1\r\n\r\n");

/** Reads one random response in random chunks and throws if the result differs from the oracle's. */
export function checkResponse(seed: number): void {
  const random = seededRandom(seed);
  const text = randomResponse(random);
  const asksHead = random() < 0.1;
  const pieces = cut(text, random);
  const expected = readResponse(text, LIMITS, asksHead);
  const sink = new Sink();
  let ends = 0;
  let failure = "";
  let seen: unknown = null;
  const owner: ConnectionOwner = {
    limits: { ...CLIENT_LIMITS, ...LIMITS },
    keep() {},
    forget() {},
    repeat() {},
    explain: () => Promise.reject(new Error("never asked")),
    tellFailure: (listener, failure, isRepeated) => listener.onFailure(failure, isRepeated),
  };
  const connection = new ClientConnection(owner);
  connection.open(sink as unknown as Socket<ClientConnection>);
  const request = asksHead ? HEAD_REQUEST : REQUEST;
  connection.start(
    request,
    request.length,
    0,
    {
      onReply(reply) {
        ends++;
        seen = { status: reply.status, fields: reply.fields.list(), body: reply.body.toString("latin1") };
      },
      onFailure({ reason }) {
        ends++;
        failure = reason;
      },
    },
    false,
  );
  for (const piece of pieces) connection.receive(piece);
  const isOpen = !sink.isClosed;
  connection.close(undefined);
  assert.equal(ends, 1);
  if (typeof expected === "string") {
    assert.equal(seen, null);
    if (expected === "bad") assert.equal(failure, "malformed_response");
    if (expected === "cut") assert.match(failure, /malformed_response|connection_reset|response_too_large/);
  } else {
    const { status, fields, body } = expected;
    assert.deepEqual(seen, { status, fields, body });
    assert.equal(isOpen, expected.isReusable || expected.isUntilClose);
  }
}

/** Reads random requests of one connection in random chunks and throws if they differ from the oracle's. */
export function checkRequests(seed: number): void {
  const random = seededRandom(seed);
  const text = randomRequests(random);
  const pieces = cut(text, random);
  const isLate = random() < 0.3;
  const expected = readRequests(text, LIMITS);
  const sink = new Sink();
  const seen: unknown[] = [];
  let open: Exchange | null = null;
  const rejections = new Rejections((rejection) => assert.doesNotMatch(rejection.firstLine, /\p{Cc}/u));
  const context: ServerContext = {
    limits: { ...SERVER_LIMITS, ...LIMITS },
    sweeper: new Sweeper(1000, () => {}),
    rejections,
    out: new ByteWriter(),
    isStopping: false,
    handler(exchange) {
      const { method, head, body } = exchange;
      const target = head.fields.bytes.toString("latin1", head.targetStart, head.targetEnd);
      seen.push([[method, target], head.fields.list(), body.toString("latin1")]);
      if (isLate) open = exchange;
      else exchange.answer({ status: 200, headers: [], body: "ok" });
    },
  };
  const connection = new ServerConnection(context, sink as unknown as Socket<ServerConnection>);
  const answerLate = () => {
    while (open !== null) {
      const exchange: Exchange = open;
      open = null;
      exchange.answer({ status: 200, headers: [], body: "ok" });
    }
  };
  for (const piece of pieces) {
    connection.receive(piece);
    if (random() < 0.5) answerLate();
  }
  answerLate();
  connection.forget();
  assert.deepEqual(
    seen,
    expected.requests.map(({ startLine, fields, body }) => [startLine, fields, body]),
  );
  const answers = sink.text.split("HTTP/1.1 200").length - 1;
  assert.equal(answers, expected.requests.length);
  const isRefused = /HTTP\/1\.1 (4\d\d|50[15]) /.test(sink.text);
  assert.equal(/_total\{.*\} 1\n/.test(rejections.renderMetric()), isRefused);
  if (expected.end === "bad" || expected.end === "too large") assert.ok(isRefused);
  if (expected.end === null || expected.end === "closed") assert.ok(!isRefused);
}
