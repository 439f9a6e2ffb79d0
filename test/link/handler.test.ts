import { afterAll, describe, expect, test } from "bun:test";
import { chainOf } from "../../src/topology/chain.ts";
import { graphOf, quickChain, startChain } from "../helpers/chain.ts";
import { openRaw, rawGet } from "../helpers/raw-http.ts";

const chain = startChain(quickChain("a", "b", "c"));
afterAll(() => chain[Symbol.asyncDispose]());

const urlOf = (name: string) => chain.link(name).url;
const position = (name: string) => ({ headers: { "X-Current-Service": name } });
const FINAL = (name: string) => `{"message":"You have reached the final chain link ${name}"}\n`;

describe("routes", () => {
  test.each(["/", "/forward", "/?x=1", "/forward?x=/readiness", "//forward", "///forward?x=1"])(
    "GET %s goes down the chain",
    async (path) => {
      const response = await fetch(urlOf("a") + path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.text()).toBe(FINAL("c"));
    },
  );

  test("GET /readiness is ok and says which list it serves", async () => {
    const response = await fetch(`${urlOf("a")}/readiness`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("chain-link-services")).toMatch(/^[0-9a-f]{16}$/);
    expect(await response.text()).toBe('{"message":"ok"}\n');
  });

  test.each(["/", "/forward", "/readiness"])("HEAD %s is GET without a body", async (path) => {
    const [get, head] = [await fetch(urlOf("a") + path), await fetch(urlOf("a") + path, { method: "HEAD" })];
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
    expect(head.headers.get("content-type")).toBe("application/json");
    expect(head.headers.get("content-length")).toBe(String((await get.text()).length));
  });

  test("OPTIONS * is empty and says what the server allows", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const answer = await connection.closed;
    expect(answer).toStartWith("HTTP/1.1 200 ");
    expect(answer).toContain("\r\nAllow: GET, HEAD, OPTIONS, POST\r\n");
    expect(answer).toEndWith("\r\n\r\n");
  });

  test.each(["/", "/readiness"])("OPTIONS %s is empty and says what is allowed", async (path) => {
    const response = await fetch(urlOf("a") + path, { method: "OPTIONS" });
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("");
    expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
  });

  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    test.each(["/", "/readiness"])(`${method} %s is refused`, async (path) => {
      const response = await fetch(urlOf("a") + path, { method, body: "ignored" });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.text()).toBe('{"message":"Method Not Allowed"}\n');
    });
  }

  test("/forward takes a body by POST, and is GET otherwise", async () => {
    const [get, post] = [
      await fetch(`${urlOf("a")}/forward`),
      await fetch(`${urlOf("a")}/forward`, { method: "POST", body: "x".repeat(100_000) }),
    ];
    expect(post.status).toBe(200);
    expect(await post.text()).toBe(await get.text());
    for (const method of ["PUT", "PATCH", "DELETE", "OPTIONS"]) {
      const response = await fetch(`${urlOf("a")}/forward`, { method });
      expect(response.status).toBe(method === "OPTIONS" ? 200 : 405);
      expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS, POST");
    }
  });

  test.each(["/forward/", "/readiness/", "/Forward", "/READINESS", "/x", "/favicon.ico", "/%66orward"])(
    "%s is not found, whatever the method",
    async (path) => {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
        const response = await fetch(urlOf("a") + path, { method });
        expect(response.status).toBe(404);
        expect(await response.text()).toBe(method === "HEAD" ? "" : '{"message":"Not Found"}\n');
      }
    },
  );

  test("// is /, as in the original", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write(rawGet("//?x=1", ["Connection: close"]));
    expect(await connection.closed).toEndWith(FINAL("c"));
  });

  test("a request without Host (HTTP/1.0) keeps its path", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write("GET /readiness?from=probe HTTP/1.0\r\n\r\n");
    expect(await connection.closed).toEndWith('{"message":"ok"}\n');
  });

  test("a Host that is no host is answered with 400, an empty one is none", async () => {
    for (const host of ["a/b", "a?b", "a#b", "a b", "[", ""]) {
      const connection = await openRaw(urlOf("a"));
      connection.socket.write(`GET /readiness HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(await connection.closed).toStartWith(`HTTP/1.1 ${host === "" ? 200 : 400} `);
    }
  });

  test("a target in absolute form is read", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write(
      "GET http://elsewhere/readiness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    expect(await connection.closed).toEndWith('{"message":"ok"}\n');
  });
});

describe("who the receiver is", () => {
  test.each([
    ["a", "c"],
    ["b", "c"],
    ["c", "c"],
  ])("told to be %s, the chain ends at %s", async (name, last) => {
    for (const link of ["a", "b", "c"]) {
      expect(await (await fetch(urlOf(link), position(name))).text()).toBe(FINAL(last));
    }
  });

  test.each(["nobody", "A", "a,b", "a:80", "__proto__"])("%s is nobody", async (name) => {
    const response = await fetch(urlOf("a"), position(name));
    expect(response.status).toBe(400);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(await response.text()).toBe('{"message":"Invalid service"}\n');
  });

  test("an empty name is the link's own", async () => {
    const connection = await openRaw(urlOf("c"));
    connection.socket.write(rawGet("/", ["x-CURRENT-service:", "Connection: close"]));
    expect(await connection.closed).toEndWith(FINAL("c"));
  });

  test("the name given twice is nobody", async () => {
    const connection = await openRaw(urlOf("c"));
    connection.socket.write(
      rawGet("/", ["X-Current-Service: a", "X-Current-Service: b", "Connection: close"]),
    );
    expect(await connection.closed).toContain("400 Bad Request");
  });

  test("a link that does not trust the header is itself, whatever it says", async () => {
    await using shy = startChain(quickChain("a", "b"), { link: { trustPosition: false } });
    for (const name of ["a", "nobody", "b"]) {
      expect(await (await fetch(shy.link("b").url, position(name))).text()).toBe(FINAL("b"));
    }
  });

  test("a link that is not in the list answers 400 until it is told who it is", async () => {
    await using stranger = startChain(quickChain("a"), { link: { name: "unknown" } });
    expect((await fetch(stranger.url)).status).toBe(400);
    expect(await (await fetch(stranger.url, position("a"))).text()).toBe(FINAL("a"));
  });

  test("an entry host:port belongs to the link of that host, and is called at that port", async () => {
    const last = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: (request) => new Response(request.headers.get("x-current-service")),
    });
    const entry = `localhost:${last.port}`;
    await using ported = startChain(quickChain("a:8001", entry), {
      absent: [entry],
      link: { name: "a", resolve: () => undefined },
    });
    expect(await (await fetch(ported.link("a:8001").url)).text()).toBe(entry);
    expect(await (await fetch(ported.link("a:8001").url, position("a:8001"))).text()).toBe(entry);
    await last.stop(true);
  });
});

describe("the slow request", () => {
  /** A chain of three in which each draw takes the next number; a link sleeps when its own is below a third. */
  function slowChain(...draws: readonly number[]) {
    const left = [...draws];
    const topology = chainOf(["a", "b", "c"]);
    for (const service of topology.services.values())
      expect(service.behavior.slow).toEqual({ probability: 1 / 3, delayMs: 2000 });
    const random = () => left.shift() ?? 0.99;
    return { chain: startChain(topology, { link: { randomOf: () => random } }), left };
  }

  test("takes two seconds, is drawn by each link for itself, and twice is no error", async () => {
    const { chain: slow, left } = slowChain(0.34, 0.33, 0);
    const startMs = performance.now();
    expect((await fetch(slow.url)).status).toBe(200);
    expect(performance.now() - startMs).toBeWithin(3990, 5500);
    expect(left).toEqual([]);
    await slow[Symbol.asyncDispose]();
  }, 10_000);

  test("is never drawn for a 400, a 404, a 405, nor by readiness", async () => {
    const { chain: slow, left } = slowChain(0);
    expect((await fetch(slow.url, position("nobody"))).status).toBe(400);
    expect((await fetch(`${slow.url}/x`)).status).toBe(404);
    expect((await fetch(slow.url, { method: "OPTIONS" })).status).toBe(200);
    expect((await fetch(slow.url, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${slow.url}/readiness`)).status).toBe(200);
    expect(left).toEqual([0]);
    await slow[Symbol.asyncDispose]();
  });

  test("does not hold up readiness", async () => {
    const { chain: slow } = slowChain(0);
    const pending = fetch(slow.url);
    const startMs = performance.now();
    while (slow.link("a").stats.inFlight === 0) await Bun.sleep(1);
    expect((await fetch(`${slow.url}/readiness`)).status).toBe(200);
    expect(performance.now() - startMs).toBeLessThan(1500);
    expect((await pending).status).toBe(200);
    await slow[Symbol.asyncDispose]();
  });

  test("switched off it is not drawn at all", async () => {
    let draws = 0;
    const random = () => {
      draws++;
      return 0;
    };
    await using quick = startChain(quickChain("a", "b"), { link: { randomOf: () => random } });
    expect((await fetch(quick.url)).status).toBe(200);
    expect(draws).toBe(0);
  });
});

describe("behavior", () => {
  test("the answer is padded to the size asked for", async () => {
    const size = FINAL("a").length;
    for (const [value, expected] of [
      [1, size],
      [100, 100],
      [4096, 4096],
    ] as const) {
      await using padded = startChain(graphOf({ a: { behavior: { response: { kind: "fixed", value } } } }));
      const text = await (await fetch(padded.url)).text();
      expect(text.length).toBe(expected);
      expect(JSON.parse(text).message).toBe("You have reached the final chain link a");
    }
  });

  test("a link with calls answers with its own padded body, unless a call failed", async () => {
    const behavior = { response: { kind: "fixed", value: 500 } } as const;
    await using graph = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }));
    expect(await (await fetch(graph.url)).json()).toMatchObject({
      message: "You have reached the final chain link a",
    });
    await using broken = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }), { absent: ["b"] });
    expect((await fetch(broken.url)).status).toBe(502);
  });

  test("an injected error is an answer in JSON, and no call is made", async () => {
    const behavior = { errors: [{ kind: "status", rate: 0.6, status: 503, after: null }] } as const;
    await using graph = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }));
    const response = await fetch(graph.url);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ message: "injected error", service: "a" });
    expect(graph.link("b").stats.requests).toBe(0);
    expect(graph.link("a").stats.injected.get("status")).toBe(1);
  });

  test("errors come at their rate", async () => {
    const draws = [0.09, 0.1, 0.11, 0];
    const behavior = { errors: [{ kind: "status", rate: 0.1, status: 500, after: null }] } as const;
    const random = () => draws.shift() ?? 1;
    await using graph = startChain(graphOf({ a: { behavior } }), { link: { randomOf: () => random } });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++) statuses.push((await fetch(graph.url)).status);
    expect(statuses).toEqual([500, 200, 200, 500]);
  });

  test("latency passes before the answer", async () => {
    const behavior = { latency: { kind: "fixed", value: 60, probability: 1 } } as const;
    await using graph = startChain(graphOf({ a: { behavior } }));
    const startMs = performance.now();
    await fetch(graph.url);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(60);
  });
});
