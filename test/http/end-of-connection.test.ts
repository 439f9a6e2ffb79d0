/** How a connection ends (closed, truncated or reset) decides whether a body without a length is complete. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type Outcome } from "../../src/http/client.ts";
import { type Certificates, makeCertificates } from "../helpers/certificates.ts";
import { startRawServer } from "../helpers/raw-http.ts";

function describeOutcome(outcome: Outcome): string {
  if (outcome.kind === "failure") return `${outcome.reason}: ${outcome.message}`;
  const { status, body } = outcome;
  return `${status} ${body.length > 100 ? body.length : body}`;
}

const CLOSED = "connection_reset: connection closed before the response was complete";
const RESET = "connection_reset: connection reset before the response was complete";
const CUT =
  "connection_reset: connection closed without a TLS close_notify alert before the response was complete";

describe("over TCP", () => {
  const HEADS = {
    "no length": "HTTP/1.1 200 OK\r\n\r\n",
    "HTTP/1.0": "HTTP/1.0 200 OK\r\n\r\n",
    "a longer length": "HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n",
    "chunks without the last": "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n",
  } as const;

  for (const [what, head] of Object.entries(HEADS)) {
    const hasEnd = what === "no length" || what === "HTTP/1.0";
    test(`a body with ${what} that the server closes ${hasEnd ? "is complete" : "fails"}`, async () => {
      await using server = await startRawServer((socket) => socket.end(`${head}hello`));
      const client = new Client();
      const outcome = await client.request(server.url, { timeoutMs: 5000 });
      expect(describeOutcome(outcome)).toBe(hasEnd ? "200 hello" : CLOSED);
      client.close();
    });

    for (const pauseMs of [0, 5]) {
      test(`a body with ${what} that the server resets ${pauseMs} ms later fails`, async () => {
        await using server = await startRawServer((socket) =>
          socket.write(`${head}hello`, () => {
            if (pauseMs === 0) socket.resetAndDestroy();
            else setTimeout(() => socket.resetAndDestroy(), pauseMs);
          }),
        );
        const client = new Client();
        const outcome = await client.request(server.url, { timeoutMs: 5000 });
        expect(describeOutcome(outcome)).toBe(RESET);
        client.close();
      });
    }
  }

  test("a reset that is first noticed by a write still fails a body without a length", async () => {
    await using server = await startRawServer((socket) => {
      socket.pause();
      socket.write("HTTP/1.1 200 OK\r\n\r\nhello", () => setTimeout(() => socket.resetAndDestroy(), 20));
    });
    const client = new Client();
    const body = Buffer.alloc(20_000_000);
    const outcome = await client.request(server.url, { method: "POST", body, timeoutMs: 5000 });
    expect(describeOutcome(outcome)).toBe(RESET);
    client.close();
  });
});

const hasPeer = Bun.which("python3") !== null && Bun.which("openssl") !== null;
for (const version of ["1.2", "1.3"]) {
  describe.skipIf(!hasPeer)(`over TLS ${version}`, () => {
    let folder: string;
    let certificates: Certificates;
    let peer: Bun.Subprocess<"ignore", "pipe", "inherit">;
    let url: string;

    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), "chain-link-tls-"));
      certificates = makeCertificates();
      const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
      writeFileSync(cert, certificates.good.cert);
      writeFileSync(key, certificates.good.key);
      peer = Bun.spawn(["python3", join(import.meta.dir, "raw-tls-server.py"), cert, key, version], {
        stdout: "pipe",
      });
      const { value } = await peer.stdout.getReader().read();
      url = `https://127.0.0.1:${new TextDecoder().decode(value).trim()}`;
    });

    afterAll(() => {
      peer.kill();
      rmSync(folder, { recursive: true });
    });

    for (const [end, body, expected] of [
      ["closed", "none", /^200 ok$/],
      ["closed", "large", /^200 300000$/],
      ["closed", "length", /^200 ok$/],
      ["closed", "short", CLOSED],
      ["closed", "chunks", CLOSED],
      ["cut", "none", CUT],
      ["cut", "large", CUT],
      // The length proves that nothing is missing: curl, Go and Node accept it, too.
      ["cut", "length", /^200 ok$/],
      ["cut", "short", CLOSED],
      ["cut", "chunks", CLOSED],
      ["reset", "none", RESET],
      ["reset", "large", RESET],
      ["reset", "short", RESET],
      ["reset", "chunks", RESET],
    ] as const) {
      test(`a body (${body}) of a connection that is ${end}`, async () => {
        for (const pieces of ["pieces", "whole"]) {
          for (let round = 0; round < 5; round++) {
            const client = new Client({ tls: { ca: certificates.authority } });
            const path = `${url}/${end}/${body}/${pieces}`;
            const outcome = await client.request(path, { timeoutMs: 5000 });
            expect(describeOutcome(outcome)).toMatch(expected);
            expect(client.upstream(url).size).toBe(0);
            client.close();
          }
        }
      });
    }
  });
}
