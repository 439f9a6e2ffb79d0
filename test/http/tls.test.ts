import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type Outcome } from "../../src/http/client.ts";
import type { TlsOptions } from "../../src/http/upstream.ts";

describe.skipIf(Bun.which("openssl") === null)("an upstream with TLS", () => {
  let folder: string;
  let ca: string;
  let server: Bun.Server<undefined>;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "chain-link-tls-"));
    const subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"];
    const files = ["-keyout", `${folder}/key.pem`, "-out", `${folder}/cert.pem`];
    const curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"];
    const made = Bun.spawnSync([
      "openssl",
      "req",
      "-x509",
      ...curve,
      "-nodes",
      "-days",
      "2",
      ...subject,
      ...files,
    ]);
    expect(made.exitCode).toBe(0);
    ca = await readFile(`${folder}/cert.pem`, "utf8");
    server = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert: ca, key: await readFile(`${folder}/key.pem`, "utf8") },
      fetch: async (request) =>
        new Response(`${new URL(request.url).pathname} ${(await request.text()).length}`),
    });
  });

  afterAll(async () => {
    await server.stop(true);
    await rm(folder, { recursive: true });
  });

  async function callOnce(url: string, tls: TlsOptions | undefined, body?: string): Promise<Outcome> {
    const client = new Client(tls === undefined ? {} : { tls });
    const outcome = await client.request(url, {
      method: "POST",
      timeoutMs: 3000,
      ...(body === undefined ? {} : { body }),
    });
    if (outcome.kind === "reply") expect(client.upstream(url).idleSize).toBe(1);
    else expect(client.upstream(url).size).toBe(0);
    client.close();
    return outcome;
  }

  test("is called by name and by address when its certificate is trusted", async () => {
    for (const host of ["localhost", "127.0.0.1"]) {
      const outcome = await callOnce(`https://${host}:${server.port}/a`, { ca }, "hello");
      expect(outcome.kind === "reply" && outcome.body.toString()).toBe("/a 5");
    }
  });

  test("gets a large request whole", async () => {
    const outcome = await callOnce(`https://localhost:${server.port}/a`, { ca }, "x".repeat(3_000_000));
    expect(outcome.kind === "reply" && outcome.body.toString()).toBe("/a 3000000");
  });

  test("whose certificate is not trusted is connection_failed, and the message says why", async () => {
    expect(await callOnce(`https://localhost:${server.port}/`, undefined)).toMatchObject({
      reason: "connection_failed",
      message: expect.stringContaining("self signed"),
    });
  });

  test("is called untrusted when that is asked for", async () => {
    const outcome = await callOnce(`https://localhost:${server.port}/`, { rejectUnauthorized: false });
    expect(outcome).toMatchObject({ status: 200 });
  });

  test("that speaks no TLS is connection_failed", async () => {
    await using plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("plain") });
    expect(await callOnce(`https://localhost:${plain.port}/`, { ca })).toMatchObject({
      reason: "connection_failed",
    });
  });
});
