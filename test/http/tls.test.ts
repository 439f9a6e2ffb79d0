import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Client, type Outcome } from "../../src/http/client.ts";
import type { TlsOptions } from "../../src/http/upstream.ts";
import { type Certificate, type Certificates, makeCertificates } from "../helpers/certificates.ts";

describe.skipIf(Bun.which("openssl") === null)("an upstream with TLS", () => {
  let certificates: Certificates;
  let ca: string;
  let server: Bun.Server<undefined>;

  function serveWith({ cert, key }: Certificate): Bun.Server<undefined> {
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      tls: { cert, key },
      fetch: async (request) =>
        new Response(`${new URL(request.url).pathname} ${(await request.text()).length}`),
    });
  }

  beforeAll(() => {
    certificates = makeCertificates();
    ca = certificates.authority;
    server = serveWith(certificates.good);
  });

  afterAll(async () => {
    await server.stop(true);
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

  test("receives a large request completely", async () => {
    const outcome = await callOnce(`https://localhost:${server.port}/a`, { ca }, "x".repeat(3_000_000));
    expect(outcome.kind === "reply" && outcome.body.toString()).toBe("/a 3000000");
  });

  for (const [what, reason, message] of [
    ["selfSigned", "certificate_self_signed", "certificate is self-signed"],
    ["good", "certificate_unknown_authority", "certificate is signed by an unknown authority"],
    ["expired", "certificate_expired", "certificate has expired"],
    ["otherName", "certificate_for_another_name", "certificate is issued for another name"],
  ] as const) {
    test(`with an untrusted certificate fails with ${reason}, unless certificates are not verified`, async () => {
      await using other = serveWith(certificates[what]);
      const url = `https://localhost:${other.port}/`;
      const trusted = what === "expired" || what === "otherName" ? { ca } : undefined;
      expect(await callOnce(url, trusted)).toMatchObject({ reason, message });
      for (const host of ["localhost", "127.0.0.1"]) {
        for (const known of [{ ca }, {}]) {
          const tls = { ...known, rejectUnauthorized: false };
          expect(await callOnce(`https://${host}:${other.port}/`, tls)).toMatchObject({ status: 200 });
        }
      }
    });
  }

  test("whose session fails after the handshake fails with tls_failed", async () => {
    const { cert, key } = certificates.good;
    const tls = { cert, key, ca, requestCert: true, rejectUnauthorized: true };
    await using strict = Bun.serve({ hostname: "127.0.0.1", port: 0, tls, fetch: () => new Response("ok") });
    expect(await callOnce(`https://localhost:${strict.port}/`, { ca })).toMatchObject({
      reason: "tls_failed",
      message: "TLS failed: tlsv1 alert certificate required",
    });
  });

  test("is not called if the authority is not a certificate", async () => {
    const outcome = await callOnce(`https://localhost:${server.port}/`, { ca: "nonsense" });
    expect(outcome).toMatchObject({ kind: "failure" });
  });

  test("that does not speak TLS fails with tls_failed, even if certificates are not verified", async () => {
    await using plain = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("plain") });
    for (const tls of [{ ca }, { rejectUnauthorized: false }]) {
      expect(await callOnce(`https://localhost:${plain.port}/`, tls)).toMatchObject({
        reason: "tls_failed",
        message: "the server does not speak TLS",
      });
    }
  });
});
