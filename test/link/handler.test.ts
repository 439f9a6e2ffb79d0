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
    "GET %s is answered by the end of the chain",
    async (path) => {
      const response = await fetch(urlOf("a") + path);
      expect(response.status).toBe(200);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.text()).toBe(FINAL("c"));
    },
  );

  test("GET /readiness is answered with 200 and the hash of the services list", async () => {
    const response = await fetch(`${urlOf("a")}/readiness`);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/json");
    expect(response.headers.get("chain-link-services")).toMatch(/^[0-9a-f]{16}$/);
    expect(await response.text()).toBe('{"message":"ok"}\n');
  });

  test.each(["/", "/forward", "/readiness"])("HEAD %s is answered like GET, without a body", async (path) => {
    const [get, head] = [await fetch(urlOf("a") + path), await fetch(urlOf("a") + path, { method: "HEAD" })];
    expect(head.status).toBe(200);
    expect(await head.text()).toBe("");
    expect(head.headers.get("content-type")).toBe("application/json");
    expect(head.headers.get("content-length")).toBe(String((await get.text()).length));
  });

  test("OPTIONS * is answered with the methods of the whole server and no body", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write("OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    const answer = await connection.closed;
    expect(answer).toStartWith("HTTP/1.1 200 ");
    expect(answer).toContain("\r\nAllow: GET, HEAD, OPTIONS, POST\r\n");
    expect(answer).toEndWith("\r\n\r\n");
  });

  test.each(["/", "/readiness"])(
    "OPTIONS %s is answered with the allowed methods and no body",
    async (path) => {
      const response = await fetch(urlOf("a") + path, { method: "OPTIONS" });
      expect(response.status).toBe(200);
      expect(await response.text()).toBe("");
      expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
    },
  );

  for (const method of ["POST", "PUT", "PATCH", "DELETE"]) {
    test.each(["/", "/readiness"])(`${method} %s is rejected with 405`, async (path) => {
      const response = await fetch(urlOf("a") + path, { method, body: "ignored" });
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe("GET, HEAD, OPTIONS");
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.text()).toBe('{"message":"Method Not Allowed"}\n');
    });
  }

  test("/forward accepts POST with a body, and rejects PUT, PATCH and DELETE with 405", async () => {
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
    "%s is answered with 404, whatever the method",
    async (path) => {
      for (const method of ["GET", "HEAD", "POST", "OPTIONS"]) {
        const response = await fetch(urlOf("a") + path, { method });
        expect(response.status).toBe(404);
        expect(await response.text()).toBe(method === "HEAD" ? "" : '{"message":"Not Found"}\n');
      }
    },
  );

  test("// is treated as /, as in the original", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write(rawGet("//?x=1", ["Connection: close"]));
    expect(await connection.closed).toEndWith(FINAL("c"));
  });

  test("an HTTP/1.0 request without Host is routed by its path", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write("GET /readiness?from=probe HTTP/1.0\r\n\r\n");
    expect(await connection.closed).toEndWith('{"message":"ok"}\n');
  });

  test("a malformed Host is rejected with 400, and an empty one is accepted", async () => {
    for (const host of ["a/b", "a?b", "a#b", "a b", "[", ""]) {
      const connection = await openRaw(urlOf("a"));
      connection.socket.write(`GET /readiness HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      expect(await connection.closed).toStartWith(`HTTP/1.1 ${host === "" ? 200 : 400} `);
    }
  });

  test("a request target in absolute form is routed by its path", async () => {
    const connection = await openRaw(urlOf("a"));
    connection.socket.write(
      "GET http://elsewhere/readiness HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    );
    expect(await connection.closed).toEndWith('{"message":"ok"}\n');
  });
});

describe("X-Current-Service", () => {
  test.each([
    ["a", "c"],
    ["b", "c"],
    ["c", "c"],
  ])("%s makes any link act as that service, and the chain ends at %s", async (name, last) => {
    for (const link of ["a", "b", "c"]) {
      expect(await (await fetch(urlOf(link), position(name))).text()).toBe(FINAL(last));
    }
  });

  test.each(["nobody", "A", "a,b", "a:80", "__proto__"])(
    "%j, which names no service, is rejected with 400",
    async (name) => {
      const response = await fetch(urlOf("a"), position(name));
      expect(response.status).toBe(400);
      expect(response.headers.get("content-type")).toBe("application/json");
      expect(await response.text()).toBe('{"message":"Invalid service"}\n');
    },
  );

  test("without a value leaves the link its own name", async () => {
    const connection = await openRaw(urlOf("c"));
    connection.socket.write(rawGet("/", ["x-CURRENT-service:", "Connection: close"]));
    expect(await connection.closed).toEndWith(FINAL("c"));
  });

  test("is rejected with 400 if it is duplicated", async () => {
    const connection = await openRaw(urlOf("c"));
    connection.socket.write(
      rawGet("/", ["X-Current-Service: a", "X-Current-Service: b", "Connection: close"]),
    );
    expect(await connection.closed).toContain("400 Bad Request");
  });

  test("is ignored by a link that does not trust it", async () => {
    await using shy = startChain(quickChain("a", "b"), { link: { trustPosition: false } });
    for (const name of ["a", "nobody", "b"]) {
      expect(await (await fetch(shy.link("b").url, position(name))).text()).toBe(FINAL("b"));
    }
  });

  test("gives a link that is missing from the list its service; without the header the link answers 400", async () => {
    await using stranger = startChain(quickChain("a"), { link: { name: "unknown" } });
    expect((await fetch(stranger.url)).status).toBe(400);
    expect(await (await fetch(stranger.url, position("a"))).text()).toBe(FINAL("a"));
  });

  test("with host:port names the link on that host, which is called at that port", async () => {
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

describe("the random delay of a chain", () => {
  /** A chain of three in which each draw takes the next number; a link sleeps if its number is below a third. */
  function slowChain(...draws: readonly number[]) {
    const left = [...draws];
    const topology = chainOf(["a", "b", "c"]);
    for (const service of topology.services.values())
      expect(service.behavior.slow).toEqual({ probability: 1 / 3, delayMs: 2000 });
    const random = () => left.shift() ?? 0.99;
    return { chain: startChain(topology, { link: { randomOf: () => random } }), left };
  }

  test("takes two seconds, is drawn by each link, and does not make a call time out if two links draw it", async () => {
    const { chain: slow, left } = slowChain(0.34, 0.33, 0);
    const startMs = performance.now();
    expect((await fetch(slow.url)).status).toBe(200);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(3990);
    expect(left).toEqual([]);
    await slow[Symbol.asyncDispose]();
  }, 10_000);

  test("is not drawn for readiness, OPTIONS, 400, 404 or 405", async () => {
    const { chain: slow, left } = slowChain(0);
    expect((await fetch(slow.url, position("nobody"))).status).toBe(400);
    expect((await fetch(`${slow.url}/x`)).status).toBe(404);
    expect((await fetch(slow.url, { method: "OPTIONS" })).status).toBe(200);
    expect((await fetch(slow.url, { method: "POST" })).status).toBe(405);
    expect((await fetch(`${slow.url}/readiness`)).status).toBe(200);
    expect(left).toEqual([0]);
    await slow[Symbol.asyncDispose]();
  });

  test("does not delay readiness", async () => {
    const { chain: slow } = slowChain(0);
    const pending = fetch(slow.url);
    while (slow.link("a").stats.inFlight === 0) await Bun.sleep(1);
    const answered: string[] = [];
    await Promise.all([
      pending.then(({ status }) => answered.push(`slow ${status}`)),
      fetch(`${slow.url}/readiness`).then(({ status }) => answered.push(`readiness ${status}`)),
    ]);
    expect(answered).toEqual(["readiness 200", "slow 200"]);
    await slow[Symbol.asyncDispose]();
  });

  test("is not drawn if it is switched off", async () => {
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
  test("pads the answer to the configured size", async () => {
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

  test("pads the answer of a link with calls, unless a call failed", async () => {
    const behavior = { response: { kind: "fixed", value: 500 } } as const;
    await using graph = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }));
    expect(await (await fetch(graph.url)).json()).toMatchObject({
      message: "You have reached the final chain link a",
    });
    await using broken = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }), { absent: ["b"] });
    expect((await fetch(broken.url)).status).toBe(502);
  });

  test("answers an injected error in JSON, and makes no call", async () => {
    const behavior = { errors: [{ kind: "status", rate: 0.6, status: 503, after: null }] } as const;
    await using graph = startChain(graphOf({ a: { behavior, calls: ["b"] }, b: {} }));
    const response = await fetch(graph.url);
    expect(response.status).toBe(503);
    expect(await response.json()).toEqual({ message: "injected error", service: "a" });
    expect(graph.link("b").stats.requests).toBe(0);
    expect(graph.link("a").stats.injected.get("status")).toBe(1);
  });

  test("injects errors at their rate", async () => {
    const draws = [0.09, 0.1, 0.11, 0];
    const behavior = { errors: [{ kind: "status", rate: 0.1, status: 500, after: null }] } as const;
    const random = () => draws.shift() ?? 1;
    await using graph = startChain(graphOf({ a: { behavior } }), { link: { randomOf: () => random } });
    const statuses: number[] = [];
    for (let count = 0; count < 4; count++) statuses.push((await fetch(graph.url)).status);
    expect(statuses).toEqual([500, 200, 200, 500]);
  });

  test("delays the answer by its latency", async () => {
    const behavior = { latency: { kind: "fixed", value: 60, probability: 1 } } as const;
    await using graph = startChain(graphOf({ a: { behavior } }));
    const startMs = performance.now();
    await fetch(graph.url);
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(60);
  });
});
