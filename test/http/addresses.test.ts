/** Name resolution: IPv6, names with several addresses, and names whose address changes. */
import { describe, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { networkInterfaces, tmpdir } from "node:os";
import { join } from "node:path";
import { Client, type Outcome } from "../../src/http/client.ts";

const hasIpv6 = Object.values(networkInterfaces()).some((all) =>
  all?.some(({ address }) => address === "::1"),
);

/** Answers with the address at which it was called. */
function startAt(hostname: string, port = 0): Bun.Server<undefined> {
  return Bun.serve({ hostname, port, fetch: () => new Response(hostname) });
}

function textOf(outcome: Outcome): string {
  return outcome.kind === "reply" ? outcome.body.toString() : outcome.reason;
}

describe.skipIf(!hasIpv6)("an upstream with an IPv6 address", () => {
  test("is called by its address, and the connection is kept", async () => {
    await using server = startAt("::1");
    const url = `http://[::1]:${server.port}/`;
    const client = new Client();
    for (let i = 0; i < 3; i++) expect(textOf(await client.request(url, { timeoutMs: 2000 }))).toBe("::1");
    expect(client.upstream(url).size).toBe(1);
    client.close();
  });

  test("gets the address in brackets as its Host", async () => {
    await using server = Bun.serve({
      hostname: "::1",
      port: 0,
      fetch: (request) => new Response(request.headers.get("host")),
    });
    const client = new Client();
    const outcome = await client.request(`http://[::1]:${server.port}/`, { timeoutMs: 2000 });
    expect(textOf(outcome)).toBe(`[::1]:${server.port}`);
    client.close();
  });

  test("refuses the connection if nothing listens there", async () => {
    const server = startAt("::1");
    const { port } = server;
    await server.stop(true);
    const client = new Client();
    expect(textOf(await client.request(`http://[::1]:${port}/`, { timeoutMs: 2000 }))).toBe(
      "connection_refused",
    );
    client.close();
  });
});

for (const address of ["127.0.0.1", "::1"]) {
  test.skipIf(!hasIpv6)(
    `of a name's addresses the one that is listened at is found: ${address}`,
    async () => {
      await using server = startAt(address);
      const client = new Client();
      const outcome = await client.request(`http://localhost:${server.port}/`, { timeoutMs: 5000 });
      expect(textOf(outcome)).toBe(address);
      client.close();
    },
  );
}

const canMount =
  process.platform === "linux" &&
  Bun.which("unshare") !== null &&
  Bun.spawnSync(["unshare", "-rm", "true"], { stderr: "ignore" }).exitCode === 0;

/** Calls a name until it resolves to the second address. The process has its own hosts file. */
const CALLER = `
import { writeFileSync } from "node:fs";
import { Client } from "${join(import.meta.dir, "../../src/http/client.ts")}";
const url = "http://callee.test:" + process.argv[2] + "/";
const client = new Client({ limits: { maxAgeMs: 50 } });
const ask = async () => {
  const outcome = await client.request(url, { timeoutMs: 2000 });
  return outcome.kind === "reply" ? outcome.body.toString() : outcome.reason;
};
const seen = [await ask()];
writeFileSync("/etc/hosts", "127.0.0.3 callee.test\\n");
while (seen.at(-1) !== "127.0.0.3" && seen.length < 1000) {
  seen.push(await ask());
  await Bun.sleep(20);
}
console.log([...new Set(seen)].join());
process.exit(0);`;

test.skipIf(!canMount)(
  "a changed address is picked up under steady use, and no call is lost",
  async () => {
    const folder = await mkdtemp(join(tmpdir(), "chain-link-hosts-"));
    const hosts = join(folder, "hosts");
    await writeFile(hosts, "127.0.0.2 callee.test\n");
    await writeFile(join(folder, "caller.ts"), CALLER);
    await using before = startAt("127.0.0.2");
    await using _after = startAt("127.0.0.3", before.port);
    const script = `mount --bind ${hosts} /etc/hosts && exec "$0" ${folder}/caller.ts ${before.port}`;
    const child = Bun.spawn(["unshare", "-rm", "sh", "-c", script, process.execPath], {
      stdout: "pipe",
      // The runtime caches addresses for 30 s.
      env: { ...process.env, BUN_CONFIG_DNS_TIME_TO_LIVE_SECONDS: "1" },
    });
    expect((await child.stdout.text()).trim()).toBe("127.0.0.2,127.0.0.3");
    await rm(folder, { recursive: true });
  },
  30_000,
);
