/** Every kind of failed call in every shape of calls: the link never answers with 2xx, and its ledger is complete. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import type { Socket } from "node:net";
import { type Certificate, makeCertificates } from "../helpers/certificates.ts";
import { CLOSED_PORT, startChain } from "../helpers/chain.ts";
import {
  askEachShape,
  checkFailingCalls,
  type FailureKind,
  failingTopology,
  renderFailingTopology,
} from "../helpers/failing-calls.ts";
import { startLinkProcess } from "../helpers/link-process.ts";
import { openRaw, type RawConnection, type RawServer, rawGet, startRawServer } from "../helpers/raw-http.ts";
import { startBackend } from "../helpers/zipkin-backend.ts";

const INCOMPLETE = "before the response was complete";
const REFUSED: FailureKind = { reason: "connection_refused", message: "connection refused" };
const UNREACHABLE: FailureKind = { reason: "network_unreachable", message: "network is unreachable" };
const UNKNOWN_NAME: FailureKind = { reason: "name_not_resolved", message: "name not resolved: no such host" };
const CLOSED: FailureKind = { reason: "connection_reset", message: `connection closed ${INCOMPLETE}` };
const RESET: FailureKind = { reason: "connection_reset", message: `connection reset ${INCOMPLETE}` };
/** No TCP connection can be made to a multicast address: Linux has no route for it. */
const MULTICAST = "http://224.0.0.1:80";
/** A label of 64 characters is invalid: the resolver rejects it without asking a name server, which may be slow. */
const UNKNOWN_HOST = `http://${"x".repeat(64)}.invalid`;

describe("a link never answers with 2xx if its call", () => {
  test("is refused", () => checkFailingCalls(REFUSED, CLOSED_PORT));
  test("is refused by each address of a name", () => checkFailingCalls(REFUSED, "http://localhost:1"));
  test("goes to an unknown name", () => checkFailingCalls(UNKNOWN_NAME, UNKNOWN_HOST));
  test("times out", async () => {
    await using server = await startRawServer(() => {});
    await checkFailingCalls(
      { reason: "timeout", message: "no answer within 30 ms", status: 504 },
      server.url,
      { timeout: "30ms" },
    );
  });
  test.skipIf(process.platform !== "linux")("goes to an unreachable network", () =>
    checkFailingCalls(UNREACHABLE, MULTICAST),
  );

  const half = (head: string) => `HTTP/1.1 200 OK\r\n${head}\r\n`;
  const malformed = { reason: "malformed_response" };
  for (const [what, kind, onData] of [
    ["is closed before the answer", CLOSED, (socket) => socket.end()],
    ["is reset before the answer", RESET, (socket) => socket.resetAndDestroy()],
    ["is closed within the head", CLOSED, (socket) => socket.end("HTTP/1.1 200 OK\r\nContent-")],
    ["is closed within the body", CLOSED, (socket) => socket.end(`${half("Content-Length: 9\r\n")}half`)],
    [
      "is closed within a chunked body",
      CLOSED,
      (socket) => socket.end(`${half("Transfer-Encoding: chunked\r\n")}4\r\nhalf\r\n`),
    ],
    ["is reset within a body without a length", RESET, (socket) => reset(socket, `${half("")}half`)],
    ["is reset within a body", RESET, (socket) => reset(socket, `${half("Content-Length: 9\r\n")}half`)],
    [
      "is answered in another protocol",
      { ...malformed, message: "the first line is not that of an HTTP/1.1 message" },
      (socket) => socket.write("SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    ],
    [
      "gets a response that is too large",
      { reason: "response_too_large", message: "the response is too large" },
      (socket) => socket.write(half("Content-Length: 99999999999\r\n")),
    ],
  ] as readonly (readonly [string, FailureKind, (socket: Socket) => void])[]) {
    test(what, async () => {
      await using server: RawServer = await startRawServer((socket, text) => {
        // Not before the request is complete: a reset would drop the unread rest of it.
        if (text.endsWith("\r\n\r\n") || text.endsWith("xx")) onData(socket);
      });
      await checkFailingCalls(kind, server.url);
    });
  }
});

function reset(socket: Socket, text: string): void {
  socket.write(text, () => socket.resetAndDestroy());
}

describe.skipIf(Bun.which("openssl") === null)("a link never answers a failed TLS call with 2xx:", () => {
  let certificates: ReturnType<typeof makeCertificates>;
  beforeAll(() => {
    certificates = makeCertificates();
  });

  for (const [name, reason, message] of [
    ["selfSigned", "certificate_self_signed", "certificate is self-signed"],
    ["good", "certificate_unknown_authority", "certificate is signed by an unknown authority"],
    ["expired", "certificate_expired", "certificate has expired"],
  ] as const) {
    test(message, async () => {
      const { cert, key }: Certificate = certificates[name];
      const tls = { cert, key };
      await using server = Bun.serve({
        hostname: "127.0.0.1",
        port: 0,
        tls,
        fetch: () => new Response("ok"),
      });
      await checkFailingCalls({ reason, message }, `https://localhost:${server.port}`);
    });
  }

  test("the server does not speak TLS", async () => {
    await using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("ok") });
    const kind = { reason: "tls_failed", message: "the server does not speak TLS" };
    await checkFailingCalls(kind, `https://localhost:${server.port}`);
  });

  test("the connection is closed within the handshake", async () => {
    await using server = await startRawServer((socket) => socket.end());
    await checkFailingCalls(CLOSED, server.url.replace("http", "https"));
  });
});

describe("a link in a process of its own", () => {
  const file = `/tmp/chain-link-failing-${process.pid}.yaml`;
  beforeAll(() => writeFileSync(file, renderFailingTopology()));
  afterAll(() => rmSync(file));

  for (const [what, kind, bad] of [
    ["refused", REFUSED, CLOSED_PORT],
    ["an unreachable network", UNREACHABLE, MULTICAST],
  ] as const) {
    test.skipIf(process.platform !== "linux")(
      `answers no failed call with 2xx: ${what}`,
      async () => {
        await using backend = startBackend();
        await using ok = startChain(failingTopology(), {
          absent: ["bad", "bad2", "ok", "middle"],
          urls: { bad, bad2: bad },
        });
        const okUrl = ok.link("shape-0").url;
        const resolve = { bad, bad2: bad, ok: okUrl, middle: okUrl };
        await using link = await startLinkProcess([
          ...["--name", "a", "--topology", file, "--zipkin", backend.url],
          ...Object.entries(resolve).flatMap(([name, url]) => ["--resolve", `${name}=${url}`]),
        ]);
        await askEachShape(link.url, kind);
      },
      60_000,
    );
  }

  test("answers 502 when its callers have taken all of its file descriptors, and recovers", async () => {
    const resolve = ["--resolve", `bad=${CLOSED_PORT}`, "--zipkin", CLOSED_PORT];
    await using link = await startLinkProcess(
      ["--name", "shape-0", "--topology", file, ...resolve],
      {},
      0,
      64,
    );
    const callers: RawConnection[] = [];
    const askFirst = async () => {
      const [first] = callers;
      const from = first?.text().length ?? 0;
      first?.socket.write(rawGet("/"));
      await first?.waitFor(new RegExp(`[^]{${from}}HTTP/1.1 \\d+ [^]*\\r\\n\\r\\n.*\\n`));
      return first?.text().slice(from);
    };
    while (callers.length < 70) callers.push(await openRaw(link.url));
    let answer = await askFirst();
    // The link may still be accepting.
    while (!answer?.includes("too many open files")) {
      expect(answer).toStartWith("HTTP/1.1 502 ");
      answer = await askFirst();
    }
    expect(answer).toStartWith("HTTP/1.1 502 ");
    for (const { socket } of callers.slice(1)) socket.destroy();
    while (!answer?.includes("connection refused")) {
      answer = await askFirst();
      expect(answer).toStartWith("HTTP/1.1 502 ");
    }
    callers[0]?.socket.destroy();
  });
});

// These tests need a network namespace of their own, and few file descriptors.
const isolated = `${import.meta.dir}/failing-calls-isolated.ts`;
const script = `ip link set lo up && ip route add unreachable 10.9.8.7 &&
  echo '40000 40063' >/proc/sys/net/ipv4/ip_local_port_range && ulimit -n 256 &&
  exec "$0" test --timeout 30000 "$1"`;
const canIsolate =
  Bun.which("ip") !== null &&
  Bun.spawnSync(["unshare", "-rn", "ip", "link", "set", "lo", "up"]).exitCode === 0;
test.skipIf(!canIsolate)(
  "a link never answers with 2xx if its call finds no route, no free port or no file descriptor",
  async () => {
    const child = Bun.spawn(["unshare", "-rn", "sh", "-c", script, process.execPath, isolated], {
      stdout: "ignore",
      stderr: "pipe",
    });
    const text = await child.stderr.text();
    expect(text).toContain(" 0 fail");
    expect(text).toContain(" 5 pass");
    expect(await child.exited).toBe(0);
  },
  120_000,
);
