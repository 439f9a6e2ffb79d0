/**
 * Measures our HTTP implementation: CPU time of one server process per request (Linux only).
 *
 * - Scenario: a client on raw sockets sends a link's request on 1, 16 and 64 connections, and the next one on
 *   each connection after the answer. `answer`: the server answers itself. `forward`: for each request the
 *   server calls another server, forwards one header, and returns that answer.
 * - Compared: our server; our server with strings and objects (`answerWith`, `Client.request`); `Bun.serve` (and
 *   `fetch`); and the floor: sockets that answer fixed bytes to any input without reading it.
 * - Metric: user and system time of the server process, as the kernel counts it, in µs per request. All servers
 *   take turns for several rounds. The medians of the costs count, and of the ratios to the floor in the
 *   same round.
 * - Asserted first: status, body and the forwarded header.
 *
 * `bun bench/http.ts [ROUNDS] [SECONDS]`
 */
import assert from "node:assert/strict";
import { prepareHead } from "../src/http/answer.ts";
import { ByteWriter } from "../src/http/byte-writer.ts";
import { lowerBytes } from "../src/http/characters.ts";
import { Client } from "../src/http/client.ts";
import { answerWith, type Exchange } from "../src/http/exchange.ts";
import type { CallListener, Reply } from "../src/http/reply.ts";
import { startServer } from "../src/http/server.ts";
import type { Upstream } from "../src/http/upstream.ts";
import { answerFixed, forwardFixed } from "./fixed-bytes.ts";
import { BUN, median, readCpuMicros } from "./process.ts";

const TASKS = ["answer", "forward"] as const;
const KINDS = ["floor", "ours", "ours-simple", "bun"] as const;
type Task = (typeof TASKS)[number];
type Kind = (typeof KINDS)[number];

const HOST = "127.0.0.1";
const BODY = '{"message":"You have reached the final chain link chain-link-service-1"}\n';
const CONTEXT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const REQUEST = `GET /forward HTTP/1.1\r\nHost: chain-link-service-1:3000\r\nX-Current-Service: chain-link-service-1\r\ntraceparent: ${CONTEXT}\r\n\r\n`;
const JSON_TYPE = ["Content-Type", "application/json"] as const;
const FIXED_ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Mon, 23 Nov 2026 00:00:00 GMT\r\ntraceparent-seen: ${CONTEXT}\r\nContent-Length: ${BODY.length}\r\n\r\n${BODY}`,
);

if (process.argv[2] === "serve")
  serve(process.argv[3] as Task, process.argv[4] as Kind, process.argv[5] ?? "");
else await main(Number(process.argv[2] ?? 5), Number(process.argv[3] ?? 1));

async function main(rounds: number, seconds: number): Promise<void> {
  const leaf = await startKind("answer", "floor", "");
  const servers = new Map<string, Started>();
  for (const task of TASKS) {
    for (const kind of KINDS) servers.set(`${task} ${kind}`, await startKind(task, kind, String(leaf.port)));
  }
  for (const [name, { port }] of servers) await assertAnswers(name, port);
  for (const server of servers.values()) await measure(server, 16, seconds);
  for (const task of TASKS) {
    for (const connections of [1, 16, 64]) {
      const found = new Map<Kind, number[]>(KINDS.map((kind) => [kind, []]));
      for (let round = 0; round < rounds; round++) {
        // Each comes first as often as last, so that other load on the machine favors none.
        for (const kind of round % 2 === 0 ? KINDS : KINDS.toReversed()) {
          const cost = await measure(servers.get(`${task} ${kind}`) as Started, connections, seconds);
          found.get(kind)?.push(cost);
        }
      }
      const floors = found.get("floor") ?? [];
      const cells = KINDS.map((kind) => {
        const costs = found.get(kind) ?? [];
        const ratio = median(costs.map((cost, round) => cost / (floors[round] ?? 1)));
        return `${kind} ${median(costs).toFixed(1)} (${ratio.toFixed(2)})`;
      });
      console.log(`${task.padEnd(8)} c=${String(connections).padEnd(3)} µs: ${cells.join("   ")}`);
    }
  }
  for (const { stop } of [leaf, ...servers.values()]) stop();
}

interface Started {
  readonly pid: number;
  readonly port: number;
  readonly stop: () => void;
}

async function startKind(task: Task, kind: Kind, leafPort: string): Promise<Started> {
  const child = Bun.spawn([BUN, import.meta.path, "serve", task, kind, leafPort], { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return { pid: child.pid, port: Number(new TextDecoder().decode(value)), stop: () => child.kill() };
}

async function assertAnswers(name: string, port: number): Promise<void> {
  for (let i = 0; i < 3; i++) {
    const answer = await fetch(`http://${HOST}:${port}/forward`, { headers: { traceparent: CONTEXT } });
    assert.equal(answer.status, 200, name);
    assert.equal(await answer.text(), BODY, name);
    assert.equal(answer.headers.get("traceparent-seen"), CONTEXT, name);
  }
}

/** Returns CPU µs per request. */
async function measure({ pid, port }: Started, connections: number, seconds: number): Promise<number> {
  const before = readCpuMicros([pid]);
  const requests = await drive(port, connections, seconds * 1000);
  return (readCpuMicros([pid]) - before) / requests;
}

/** Sends requests for the given time and returns their number. */
async function drive(port: number, connections: number, durationMs: number): Promise<number> {
  const request = Buffer.from(REQUEST);
  const expected = await lengthOfAnswer(port);
  let requests = 0;
  const endMs = performance.now() + durationMs;
  const { promise, resolve } = Promise.withResolvers<void>();
  let open = connections;
  for (let i = 0; i < connections; i++) {
    let seen = 0;
    Bun.connect({
      hostname: HOST,
      port,
      socket: {
        open: (socket) => void socket.write(request),
        data(socket, chunk) {
          seen += chunk.length;
          if (seen < expected) return;
          assert.equal(seen, expected);
          seen = 0;
          requests++;
          if (performance.now() < endMs) socket.write(request);
          else socket.end();
        },
        close() {
          if (--open === 0) resolve();
        },
      },
    });
  }
  await promise;
  return requests;
}

function lengthOfAnswer(port: number): Promise<number> {
  const { promise, resolve } = Promise.withResolvers<number>();
  Bun.connect({
    hostname: HOST,
    port,
    socket: {
      open: (socket) => void socket.write(REQUEST),
      data(socket, chunk) {
        resolve(chunk.length);
        socket.end();
      },
    },
  });
  return promise;
}

function serve(task: Task, kind: Kind, leafPort: string): void {
  const url = `http://${HOST}:${leafPort}/forward`;
  if (kind === "bun") console.log(serveWithBun(task, url));
  else if (kind === "floor") console.log(serveFixed(task, Number(leafPort)));
  else if (kind === "ours-simple") console.log(serveSimply(task, url));
  else console.log(task === "answer" ? serveInPlace() : forwardInPlace(url));
}

function serveWithBun(task: Task, url: string): number {
  const answer = (body: string | ArrayBuffer, seen: string) =>
    new Response(body, { headers: [[...JSON_TYPE], ["traceparent-seen", seen]] });
  const server = Bun.serve({
    hostname: HOST,
    port: 0,
    async fetch(request) {
      const seen = request.headers.get("traceparent") ?? "";
      if (task === "answer") return answer(BODY, seen);
      const reply = await fetch(url, { headers: { "X-Current-Service": "leaf", traceparent: seen } });
      return answer(await reply.arrayBuffer(), reply.headers.get("traceparent-seen") ?? "");
    },
  });
  return server.port ?? 0;
}

function serveSimply(task: Task, url: string): number {
  const client = new Client();
  const handler = answerWith((request) => {
    const seen = request.header("traceparent") ?? "";
    if (task === "answer")
      return { status: 200, headers: [JSON_TYPE, ["traceparent-seen", seen]], body: BODY };
    return client
      .request(url, {
        headers: [
          ["X-Current-Service", "leaf"],
          ["traceparent", seen],
        ],
        timeoutMs: 3000,
      })
      .then((outcome) => {
        if (outcome.kind === "failure") return { status: 502, headers: [], body: outcome.message };
        return { status: 200, headers: [JSON_TYPE, ["traceparent-seen", seen]], body: outcome.body };
      });
  });
  return startServer({ host: HOST, port: 0 }, handler).port;
}

function serveFixed(task: Task, leafPort: number): number {
  if (task === "answer") return answerFixed(0, FIXED_ANSWER);
  return forwardFixed(0, leafPort, Buffer.from(REQUEST), FIXED_ANSWER);
}

function serveInPlace(): number {
  const head = prepareHead(200, [JSON_TYPE]);
  const body = Buffer.from(BODY);
  return startServer({ host: HOST, port: 0 }, (exchange) => {
    const out = exchange.begin(head, 200);
    copyContext(exchange, SEEN_NAME, out);
    exchange.finish(body);
  }).port;
}

const CONTEXT_NAME = lowerBytes("traceparent");
const SEEN_NAME = Buffer.from("traceparent-seen: ");
const LINE_END = Buffer.from("\r\n");

function copyContext({ head: { fields } }: Exchange, name: Uint8Array, out: ByteWriter): void {
  const index = fields.find(CONTEXT_NAME);
  if (index === -1) return;
  out.copy(name);
  out.copy(fields.bytes, fields.valueStart(index), fields.valueEnd(index));
  out.copy(LINE_END);
}

/** One call for one request: the object that a link would reuse for it. */
class Forward implements CallListener {
  static readonly head = prepareHead(200, [JSON_TYPE]);
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
  }

  onReply({ content }: Reply): void {
    const out = this.#exchange.begin(Forward.head, 200);
    copyContext(this.#exchange, SEEN_NAME, out);
    this.#exchange.finish(content.bytes, content.start, content.end);
  }

  onFailure(): void {
    this.#exchange.answer({ status: 502, headers: [], body: "" });
  }
}

function forwardInPlace(url: string): number {
  const upstream: Upstream = new Client().upstream(url);
  const start = Buffer.from("GET /forward HTTP/1.1\r\nHost: leaf\r\nX-Current-Service: leaf\r\n");
  const name = Buffer.from("traceparent: ");
  const request = new ByteWriter();
  return startServer({ host: HOST, port: 0 }, (exchange) => {
    request.length = 0;
    request.copy(start);
    copyContext(exchange, name, request);
    request.copy(LINE_END);
    upstream.call(request.bytes, request.length, performance.now() + 3000, new Forward(exchange));
  }).port;
}
