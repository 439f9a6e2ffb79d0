import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { answerWith } from "../../src/http/exchange.ts";
import { jsonResponse } from "../../src/link/response.ts";
import { startServer } from "../../src/link/server.ts";
import { eventually, temporaryFolder } from "../helpers/cli.ts";
import { type LinkProcess, startLinkProcess } from "../helpers/link-process.ts";
import { openRaw, type RawConnection, rawGet, statusOf } from "../helpers/raw-http.ts";
import { startBackend } from "../helpers/zipkin-backend.ts";

const backend = startBackend();
const folder = temporaryFolder();
let link: LinkProcess;

beforeAll(async () => {
  const path = join(folder.path, "services.json");
  writeFileSync(path, '["a"]');
  const args = ["--name", "a", "--services-file", path, "--slow", "off", "--zipkin", backend.url];
  link = await startLinkProcess([...args, "--log-level", "warn"]);
});

afterAll(async () => {
  await link[Symbol.asyncDispose]();
  await backend.stop();
  folder[Symbol.dispose]();
});

async function expectServing(): Promise<void> {
  const response = await fetch(link.url, { headers: { Connection: "close" } });
  expect(response.status).toBe(200);
  expect(await response.text()).toBe('{"message":"You have reached the final chain link a"}\n');
}

/** Proves that earlier answers did not wait for these connections to end. */
function expectOpen(connections: readonly RawConnection[]): void {
  expect(connections.filter(({ socket }) => socket.readyState !== "open")).toHaveLength(0);
}

const canCountFiles = process.platform === "linux";

function openFiles(): number {
  return readdirSync(`/proc/${link.pid}/fd`).length;
}

/** Files that the link may open by itself meanwhile, for example to send spans. */
const OWN_FILES = 5;

/** Runs a function that opens connections to the link, and waits until the link has closed them all. */
async function leavingNothingOpen(run: () => Promise<void>): Promise<void> {
  await expectServing();
  const before = canCountFiles ? openFiles() : 0;
  await run();
  await expectServing();
  if (canCountFiles) await eventually(() => (openFiles() <= before + OWN_FILES ? true : undefined));
}

describe("a malformed request is rejected while others are served:", () => {
  const REFUSED: Record<string, string> = {
    "text that is not HTTP": "hello\r\n\r\n",
    "binary noise": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "no version": "GET /\r\n\r\n",
    "an unknown version": "GET / HTTP/3.0\r\nHost: a\r\n\r\n",
    "HTTP/2 without TLS": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a method with a special character": "G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
    "no Host": "GET / HTTP/1.1\r\n\r\n",
    "a header without colon": "GET / HTTP/1.1\r\nHost: a\r\nnonsense\r\n\r\n",
    "a header name with a space": "GET / HTTP/1.1\r\nHost: a\r\nX Y: 1\r\n\r\n",
    "a folded header": "GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n",
    "NUL in a header": "GET / HTTP/1.1\r\nHost: a\r\nX-Current-Service: a\0b\r\n\r\n",
    "a bare CR in a header": "GET / HTTP/1.1\r\nHost: a\r\nX-Current-Service: a\rb\r\n\r\n",
    "a negative length": "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "both a length and chunks":
      "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
    "1 MB in one header": `GET / HTTP/1.1\r\nHost: a\r\nX: ${"x".repeat(1e6)}\r\n\r\n`,
    "1 MB in many headers": `GET / HTTP/1.1\r\nHost: a\r\n${"X-Filler: 123456\r\n".repeat(60_000)}\r\n`,
    "1 MB of path": `GET /${"x".repeat(1e6)} HTTP/1.1\r\nHost: a\r\n\r\n`,
  };

  test.each(Object.keys(REFUSED))("%s", async (what) => {
    await leavingNothingOpen(async () => {
      const status = await statusOf(link.url, Buffer.from(REFUSED[what] ?? "", "latin1"));
      // A server may also close without an answer.
      if (status !== null) expect(status).toBeWithin(400, 506);
    });
  });

  test("a header cannot inject a line into another request or answer", async () => {
    const connection = await openRaw(link.url);
    const value = "a%0d%0aX-Evil: 1";
    connection.socket.write(rawGet("/", [`X-Current-Service: ${value}`, "Connection: close"]));
    const text = await connection.closed;
    expect(text).toContain("400 Bad Request");
    expect(text.toLowerCase()).not.toContain("x-evil");
  });
});

describe("on a slow connection", () => {
  test("a request in pieces of one byte is answered", async () => {
    const connection = await openRaw(link.url);
    connection.socket.setNoDelay(true);
    for (const byte of rawGet("/readiness")) {
      connection.socket.write(byte);
      await Bun.sleep(0);
    }
    await connection.waitFor(/"ok"/);
    connection.socket.destroy();
  });

  test("an endless body is rejected with 413, while others are served", async () => {
    await leavingNothingOpen(async () => {
      const connection = await openRaw(link.url);
      connection.socket.write(rawGet("/", ["Transfer-Encoding: chunked"]));
      const chunk = `10000\r\n${"x".repeat(65_536)}\r\n`;
      let isOpen = true;
      void connection.closed.then(() => {
        isOpen = false;
      });
      connection.socket.write(chunk);
      await expectServing();
      for (let count = 0; count < 1000 && isOpen; count++) {
        if (!connection.socket.write(chunk)) await Bun.sleep(1);
      }
      await connection.waitFor(/^HTTP\/1\.1 413 /);
      connection.socket.destroy();
    });
  });

  test("a missing body does not block others", async () => {
    await leavingNothingOpen(async () => {
      const connection = await openRaw(link.url);
      connection.socket.write(`${rawGet("/", ["Content-Length: 1000"])}abc`);
      await expectServing();
      connection.socket.destroy();
    });
  });

  test("half a request does not block others", async () => {
    const slow = await Promise.all(Array.from({ length: 200 }, () => openRaw(link.url)));
    for (const { socket } of slow) socket.write("GET / HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    for (let count = 0; count < 20; count++) await expectServing();
    expectOpen(slow);
    for (const { socket } of slow) socket.destroy();
  });

  test("pipelined requests are answered in order", async () => {
    const connection = await openRaw(link.url);
    for (const path of ["/readiness", "/", "/nowhere", "/readiness"]) connection.socket.write(rawGet(path));
    const text = await connection.waitFor(/(?:HTTP\/1\.1 .*){4}"ok"\}\n$/s);
    expect([...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map(([, status]) => status)).toEqual([
      ...["200", "200", "404", "200"],
    ]);
    connection.socket.destroy();
  });
});

test("connections that are reset at any moment leak nothing", async () => {
  await leavingNothingOpen(async () => {
    const request = `${rawGet("/")}${rawGet("/readiness")}`;
    const connections = await Promise.all(Array.from({ length: 300 }, () => openRaw(link.url)));
    for (const [index, { socket }] of connections.entries()) {
      socket.write(request.slice(0, (index * 7) % request.length));
      if (index % 3 !== 0) await Bun.sleep(0);
      socket.resetAndDestroy();
    }
  });
});

/** The operating system's limit of open files for this process. */
function fileLimit(): number {
  const limits = canCountFiles ? readFileSync("/proc/self/limits", "utf8") : "";
  return Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 256);
}

/** A connection on which one request was answered. Before its first bytes the kernel may hide it from the server. */
async function openUsed(): Promise<RawConnection> {
  const connection = await openRaw(link.url);
  connection.socket.write(rawGet("/readiness"));
  await connection.waitFor(/"ok"/);
  return connection;
}

const IDLE = Math.min(10_000, fileLimit() - 1000);

test.skipIf(IDLE < 1000)(
  `${IDLE} idle connections do not block others, and are closed when their clients leave`,
  async () => {
    await leavingNothingOpen(async () => {
      const connections: RawConnection[] = [];
      while (connections.length < IDLE) {
        const more = Math.min(500, IDLE - connections.length);
        connections.push(...(await Promise.all(Array.from({ length: more }, openUsed))));
      }
      if (canCountFiles) expect(openFiles()).toBeGreaterThan(IDLE);
      for (let count = 0; count < 20; count++) await expectServing();
      expectOpen(connections);
      for (const { socket } of connections) socket.destroy();
    });
  },
  30_000,
);

test("every span recorded during the tests above has reached the backend when the link exits", async () => {
  const metrics = await (await fetch(`${link.url}/metrics`)).text();
  const requests = [...metrics.matchAll(/^chain_link_requests_total\{.*\} (\d+)$/gm)];
  const recorded = requests.reduce((sum, [, count]) => sum + Number(count), 0);
  link.kill("SIGTERM");
  expect(await link.exited).toBe(0);
  expect(backend.spans.length).toBe(recorded);
});

test("an idle connection is closed after its timeout, but not one whose request is in flight", async () => {
  const server = startServer({ host: "127.0.0.1", port: 0, limits: { idleTimeoutMs: 1000 } });
  server.serve(
    answerWith(async ({ path }) => {
      if (path === "/slow") await Bun.sleep(3000);
      return jsonResponse(200, { path });
    }),
  );
  const [idle, waiting] = await Promise.all([openRaw(server.url), openRaw(server.url)]);
  idle.socket.write(rawGet("/quick"));
  waiting.socket.write(rawGet("/slow"));
  expect(await idle.closed).toContain("200 OK");
  await waiting.waitFor(/"\/slow"/);
  waiting.socket.destroy();
  await server.close();
}, 20_000);
