import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyOfEnvironment } from "../../../src/kubernetes/api/proxy.ts";
import { Transport } from "../../../src/kubernetes/api/transport.ts";
import { makeCommonNameOnly } from "../../helpers/certificates.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { startSite } from "./api-site.ts";
import { CERTIFICATES, config, openConfig } from "./config.ts";

const PROXY = { HTTPS_PROXY: "http://proxy.example:3128" };

test.each([
  ["https://k8s.example", "", true],
  ["https://k8s.example", "example", false],
  ["https://k8s.example", "k8s.example:443", false],
  ["https://k8s.example:6443", "k8s.example:443", true],
  ["https://10.1.2.3", "10.0.0.0/8", false],
  ["https://11.1.2.3", "10.0.0.0/8", true],
  ["https://10.1.2.3", "10.0.0.0/99", true],
  ["https://[fd00::7]", "fd00::/8", false],
  ["https://[fd00::7]:6443", "[fd00::7]:6443", false],
  ["https://[fd00::7]", "fd00::7", false],
  ["https://127.9.9.9", "", false],
  ["https://localhost", "", false],
  ["https://[::1]", "", false],
  ["http://k8s.example", "", false],
])("a request to %s with NO_PROXY=%s takes a proxy: %p", (server, NO_PROXY, isProxied) => {
  const found = proxyOfEnvironment(new URL(server), { ...PROXY, NO_PROXY });
  expect(found?.href ?? null).toBe(isProxied ? "http://proxy.example:3128/" : null);
});

test.each([
  ["http://$PROXY", "proxy to api.cluster.example"],
  ["http://me:pw@$PROXY", "proxy to api.cluster.example as Basic bWU6cHc="],
  ["socks5://$SOCKS", "socks to api.cluster.example"],
  ["socks5://me:pw@$SOCKS", "socks to api.cluster.example as me"],
])("a proxy-url %s is used, and connections through it are kept", async (proxyUrl, used) => {
  using folder = temporaryFolder();
  const site = await startSite(CERTIFICATES, makeCommonNameOnly(), folder.path);
  try {
    writeFileSync(join(folder.path, "ca"), CERTIFICATES.authority);
    const cluster = {
      server: site.fill("https://api.cluster.example:$TLSPORT"),
      "certificate-authority": "ca",
      "tls-server-name": "localhost",
      "proxy-url": site.fill(proxyUrl),
    };
    const user = { token: "t", as: "jane", "as-groups": ["a", "b"] };
    const transport = new Transport(
      openConfig(folder.path, config(user, { clusters: [{ name: "c", cluster }] })),
    );
    for (let request = 0; request < 3; request++)
      expect(await transport.json({ method: "GET", path: "/version" })).toEqual({ major: "1" } as never);
    const line =
      "GET /version HTTP/1.1 | authorization: Bearer t | impersonate-group: a | impersonate-group: b | impersonate-user: jane";
    expect(site.seen.requests).toEqual([line, line, line]);
    expect(site.seen.proxies).toEqual([used]);
  } finally {
    site.close();
  }
});
