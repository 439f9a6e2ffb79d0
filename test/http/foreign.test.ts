/** Foreign peers: curl, the libraries of Node and Go, nginx, Envoy, a browser. Those that are not installed are skipped. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { Client, type Outcome } from "../../src/http/client.ts";
import { answerWith } from "../../src/http/exchange.ts";
import { type Server, startServer } from "../../src/http/server.ts";
import { freePort } from "../helpers/free-port.ts";

let server: Server;
let url: string;
let folder: string;

beforeAll(async () => {
  server = startServer(
    { host: "127.0.0.1", port: 0 },
    answerWith((request) => ({
      status: 200,
      headers: [["X-Got", request.header("x-sent") ?? "nothing"]],
      body: `${request.method} ${request.target} ${request.body.length > 100 ? request.body.length : request.body}`,
    })),
  );
  url = `http://127.0.0.1:${server.port}`;
  folder = await mkdtemp(join(tmpdir(), "chain-link-http-"));
});

afterAll(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

async function run(...command: string[]): Promise<string> {
  const child = Bun.spawn(command, {
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, GO111MODULE: "off" },
  });
  const [text, errors] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  if ((await child.exited) !== 0) throw new Error(`${command.join(" ")}: ${errors}`);
  return text;
}

/** Starts a server that prints its port. */
async function start(...command: string[]): Promise<{ url: string; stop: () => void }> {
  const child = Bun.spawn(command, { stdout: "pipe" });
  const { value } = await child.stdout.getReader().read();
  return { url: `http://127.0.0.1:${new TextDecoder().decode(value).trim()}`, stop: () => child.kill() };
}

/** Several requests, concurrent and sequential, with chunks, lengths and bodies. */
async function expectGoodUpstream(upstream: string): Promise<void> {
  const client = new Client();
  for (let round = 0; round < 3; round++) {
    const outcomes = await Promise.all(
      ["/", "/chunked"].flatMap((path) => [
        client.request(upstream + path, { timeoutMs: 5000 }),
        client.request(upstream + path, { method: "POST", body: "hello", timeoutMs: 5000 }),
      ]),
    );
    expect(
      outcomes.map((outcome) => (outcome.kind === "reply" ? String(outcome.body) : outcome.message)),
    ).toEqual(["GET / ", "POST / hello", "GET /chunked ", "POST /chunked hello"]);
  }
  expect(client.upstream(upstream).idleSize).toBe(4);
  client.close();
}

describe.skipIf(Bun.which("curl") === null)("curl", () => {
  test("keeps its connection and reads the headers", async () => {
    const text = await run("curl", "-sv", "-H", "X-Sent: a b", "-D", "-", `${url}/1`, `${url}/2?q`);
    expect(text.match(/X-Got: a b/g)).toHaveLength(2);
    expect(text).toContain("GET /2?q ");
  });

  test("sends HEAD, HTTP/1.0, a body, chunks, and waits for 100-continue", async () => {
    expect(await run("curl", "-sI", url)).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(await run("curl", "-s", "-0", url)).toBe("GET / ");
    expect(await run("curl", "-s", "-d", "hello", url)).toBe("POST / hello");
    const chunked = ["-H", "Transfer-Encoding: chunked", "-d", "hello"];
    expect(await run("curl", "-s", ...chunked, url)).toBe("POST / hello");
    const file = join(folder, "body");
    await writeFile(file, Buffer.alloc(900_000));
    const expecting = ["-H", "Expect: 100-continue", "--expect100-timeout", "60", "-T", file];
    expect(await run("curl", "-s", "--max-time", "5", ...expecting, url)).toBe("PUT /body 900000");
  });
});

describe.skipIf(Bun.which("node") === null)("Node", () => {
  test("calls over an agent that keeps its connections", async () => {
    const script = `
      const http = require("node:http");
      const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
      let left = 5;
      const next = () => http.request(process.argv[1], { agent, method: "POST" }, (answer) => {
        let text = "";
        answer.on("data", (data) => { text += data; });
        answer.on("end", () => { console.log(answer.statusCode, text, answer.req.reusedSocket); if (--left) setImmediate(next); else agent.destroy(); });
      }).end("hello");
      next();`;
    const lines = (await run("node", "-e", script, url)).trim().split("\n");
    expect(lines).toEqual([
      "200 POST / hello false",
      ...Array.from({ length: 4 }, () => "200 POST / hello true"),
    ]);
  });

  test("is an upstream", async () => {
    const script = `
      require("node:http").createServer((request, answer) => {
        let text = "";
        request.on("data", (data) => { text += data; });
        request.on("end", () => {
          if (request.url === "/chunked") answer.write("");
          else answer.setHeader("Content-Length", Buffer.byteLength([request.method, request.url, text].join(" ")));
          answer.end([request.method, request.url, text].join(" "));
        });
      }).listen(0, "127.0.0.1", function () { console.log(this.address().port); });`;
    const node = await start("node", "-e", script);
    await expectGoodUpstream(node.url);
    node.stop();
  });
});

describe.skipIf(Bun.which("go") === null)("Go", () => {
  const program = () => join(folder, "go-peer");

  beforeAll(async () => {
    await run("go", "build", "-o", program(), join(import.meta.dir, "go-peer/main.go"));
  }, 120_000);

  test("calls over kept connections, with chunks and without a body", async () => {
    const lines = (await run(program(), "call", url, "6")).trim().split("\n");
    expect(lines.slice(0, 2)).toEqual(["200 POST / ", "200 POST / hello chunks"]);
    expect(lines.at(-1)).toBe("reused 5");
  });

  test("is an upstream", async () => {
    const go = await start(program(), "serve");
    await expectGoodUpstream(go.url);
    go.stop();
  });
});

describe.skipIf(Bun.which("nginx") === null)("nginx", () => {
  test("calls as a proxy over kept connections, and is an upstream", async () => {
    const port = freePort();
    const config = join(folder, "nginx.conf");
    await writeFile(
      config,
      `daemon off; worker_processes 1; pid ${folder}/nginx.pid; error_log ${folder}/nginx.log;
      events {}
      http {
        access_log off;
        client_body_temp_path ${folder}/b; proxy_temp_path ${folder}/p; fastcgi_temp_path ${folder}/f;
        uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s;
        upstream ours { server 127.0.0.1:${server.port}; keepalive 4; }
        server { listen 127.0.0.1:${port}; location / {
          proxy_pass http://ours; proxy_http_version 1.1; proxy_set_header Connection "";
          add_header X-Connections $upstream_addr;
        } }
      }`,
    );
    const nginx = Bun.spawn(["nginx", "-p", folder, "-e", `${folder}/nginx.log`, "-c", config], {
      stderr: "ignore",
    });
    await expectGoodProxy(port);
    nginx.kill();
    await nginx.exited;
  });
});

/** `test/helpers/get-envoy` fetches it. */
const ENVOY = Bun.which("envoy") ?? join(import.meta.dir, "../../.cache/envoy/envoy");

describe.skipIf(!existsSync(ENVOY))("Envoy", () => {
  test("calls as a proxy over kept connections, and is an upstream", async () => {
    const port = freePort();
    const addressOf = (of: number) => ({ socket_address: { address: "127.0.0.1", port_value: of } });
    const router = "type.googleapis.com/envoy.extensions.filters.http.router.v3.Router";
    const manager =
      "type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager";
    const route = { match: { prefix: "/" }, route: { cluster: "ours" } };
    const hosts = [{ name: "all", domains: ["*"], routes: [route] }];
    const filter = {
      "@type": manager,
      stat_prefix: "in",
      http_filters: [{ name: "envoy.filters.http.router", typed_config: { "@type": router } }],
      route_config: { virtual_hosts: hosts },
    };
    const name = "envoy.filters.network.http_connection_manager";
    const chains = [{ filters: [{ name, typed_config: filter }] }];
    const endpoint = { endpoint: { address: addressOf(server.port) } };
    const cluster = {
      name: "ours",
      load_assignment: { cluster_name: "ours", endpoints: [{ lb_endpoints: [endpoint] }] },
    };
    const listener = { address: addressOf(port), filter_chains: chains };
    const config = join(folder, "envoy.json");
    await writeFile(
      config,
      JSON.stringify({ static_resources: { listeners: [listener], clusters: [cluster] } }),
    );
    const quiet = ["--concurrency", "1", "--use-dynamic-base-id", "--log-level", "error"];
    const envoy = Bun.spawn([ENVOY, "-c", config, ...quiet], { stderr: "inherit" });
    await expectGoodProxy(port);
    envoy.kill();
    await envoy.exited;
  });
});

const CHROMIUM = "/usr/bin/chromium";

describe.skipIf(!existsSync(CHROMIUM))("a browser", () => {
  test("calls over kept connections: a page, and bodies by fetch", async () => {
    const browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
    const page = await browser.newPage();
    await page.goto(`${url}/page`);
    expect(await page.textContent("body")).toBe("GET /page ");
    const texts = await page.evaluate(async () => {
      const found: string[] = [];
      for (let i = 0; i < 5; i++) {
        const answer = await fetch("/post", { method: "POST", headers: { "X-Sent": "a b" }, body: "hello" });
        found.push(`${answer.status} ${answer.headers.get("x-got")} ${await answer.text()}`);
      }
      return found;
    });
    expect(texts).toEqual(Array.from({ length: 5 }, () => "200 a b POST /post hello"));
    // One for the page and its calls, perhaps one for its icon, and one that browsers open in advance.
    expect(server.connections).toBeLessThanOrEqual(3);
    await browser.close();
  });
});

/** Sends requests through a proxy to our server; the answers are right, and the proxy keeps its connections to us. */
async function expectGoodProxy(port: number): Promise<void> {
  const client = new Client();
  const target = `http://127.0.0.1:${port}/`;
  const isUp = (outcome: Outcome) => outcome.kind === "reply" && outcome.status === 200;
  let outcome = await client.request(target, { timeoutMs: 2000 });
  for (let i = 0; i < 500 && !isUp(outcome); i++) {
    await Bun.sleep(10);
    outcome = await client.request(target, { timeoutMs: 2000 });
  }
  await expectGoodUpstream(target.slice(0, -1));
  const before = server.connections;
  for (let i = 0; i < 10; i++) await client.request(target, { timeoutMs: 2000 });
  expect(server.connections).toBeLessThanOrEqual(before);
  client.close();
}
