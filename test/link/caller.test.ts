import { describe, expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { graphOf, type ServiceFields, startChain, type TestChainOptions } from "../helpers/chain.ts";

/** A service outside of the chain that records its requests and answers as a test tells it to. */
interface Foreign {
  readonly url: string;
  readonly requests: {
    readonly method: string;
    readonly path: string;
    readonly headers: ReturnType<Headers["toJSON"]>;
  }[];
  stop(): Promise<void>;
}

function startForeign(answer: (request: Request, index: number) => Response | Promise<Response>): Foreign {
  const requests: Foreign["requests"] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: (request) => {
      const { pathname, search } = new URL(request.url);
      requests.push({ method: request.method, path: pathname + search, headers: request.headers.toJSON() });
      return answer(request, requests.length - 1);
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, requests, stop: () => server.stop(true) };
}

/** The entry `a` makes these calls; the others are played by foreign services. */
async function withGraph(
  calls: NonNullable<ServiceFields["calls"]>,
  foreign: Readonly<Record<string, (request: Request, index: number) => Response | Promise<Response>>>,
  run: (url: string, services: Readonly<Record<string, Foreign>>) => Promise<void>,
  options: TestChainOptions["link"] = {},
): Promise<readonly Span[]> {
  const services = Object.fromEntries(
    Object.entries(foreign).map(([name, answer]) => [name, startForeign(answer)] as const),
  );
  const names = Object.keys(foreign);
  const chain = startChain(
    graphOf({
      a: { calls },
      ...Object.fromEntries(names.map((name): [string, ServiceFields] => [name, {}])),
    }),
    {
      link: options,
      absent: names,
      urls: Object.fromEntries(Object.entries(services).map(([name, { url }]) => [name, url])),
    },
  );
  await run(chain.url, services);
  const spans = await chain.stop();
  await chain[Symbol.asyncDispose]();
  for (const service of Object.values(services)) await service.stop();
  return spans;
}

const ok = (text: string) => () => new Response(text);
const fail = (status: number) => () => new Response(`failed ${status}`, { status });

describe("steps", () => {
  test("run in order, each after the answer to the previous one, and the link passes on the last answer", async () => {
    const events: string[] = [];
    const slow = (name: string) => async () => {
      events.push(`${name} begins`);
      await Bun.sleep(5);
      events.push(`${name} ends`);
      return new Response(name);
    };
    await withGraph(["b", "c"], { b: slow("b"), c: slow("c") }, async (url) => {
      expect(await (await fetch(url)).text()).toBe("c");
    });
    expect(events).toEqual(["b begins", "b ends", "c begins", "c ends"]);
  });

  test("make their calls concurrently, and the link passes on the answer to the last call in the document", async () => {
    const { promise: bothArrived, resolve } = Promise.withResolvers<void>();
    let arrived = 0;
    // Each answers only when the other has been asked.
    const meet = (name: string) => async () => {
      if (++arrived === 2) resolve();
      await bothArrived;
      return new Response(name);
    };
    await withGraph([["b", "c"]], { b: meet("b"), c: meet("c") }, async (url) => {
      expect(await (await fetch(url)).text()).toBe("c");
    });
  });

  test("make each call with GET to /forward, name the receiver, and do so for HEAD requests, too", async () => {
    await withGraph(["b"], { b: ok("x") }, async (url, { b }) => {
      await fetch(`${url}/?query=1`, { headers: { "X-Own": "1", Cookie: "a=b" } });
      await fetch(url, { method: "HEAD" });
      for (const request of b?.requests ?? []) {
        expect(request.method).toBe("GET");
        expect(request.path).toBe("/forward");
        expect(request.headers["x-current-service"]).toBe("b");
        expect(request.headers).not.toContainAnyKeys(["x-own", "cookie"]);
      }
      expect(b?.requests.length).toBe(2);
    });
  });
});

describe("failed calls", () => {
  test("prevent further steps", async () => {
    await withGraph(["b", "c", "d"], { b: ok("b"), c: fail(404), d: ok("d") }, async (url, { d }) => {
      const response = await fetch(url);
      expect(response.status).toBe(404);
      expect(await response.text()).toBe("failed 404");
      expect(d?.requests.length).toBe(0);
    });
  });

  test("of one step are reported in document order, whichever failed first in time", async () => {
    const late = async () => {
      await Bun.sleep(20);
      return new Response("late", { status: 503 });
    };
    await withGraph([["b", "c", "d"]], { b: ok("b"), c: late, d: fail(500) }, async (url) => {
      const response = await fetch(url);
      expect(response.status).toBe(503);
      expect(await response.text()).toBe("late");
    });
  });

  test("do not include redirects, which are passed on and not followed", async () => {
    const redirect = () =>
      new Response("gone", { status: 302, headers: { Location: "http://127.0.0.1:1/x" } });
    await withGraph(["b"], { b: redirect }, async (url, { b }) => {
      const response = await fetch(url, { redirect: "manual" });
      expect(response.status).toBe(302);
      expect(response.headers.get("location")).toBe("http://127.0.0.1:1/x");
      expect(await response.text()).toBe("gone");
      expect(b?.requests.length).toBe(1);
    });
  });
});

describe("probability", () => {
  test("is drawn separately for each call", async () => {
    const draws = [0.2, 0.9, 0.19, 0.2, 0.9, 0.1];
    const calls = [
      { service: "b", probability: 0.2 },
      [
        { service: "c", probability: 0.9 },
        { service: "d", probability: 0.2 },
      ],
    ];
    await withGraph(
      calls,
      { b: ok("b"), c: ok("c"), d: ok("d") },
      async (url, { b, c, d }) => {
        expect(await (await fetch(url)).text()).toBe("d");
        expect([b, c, d].map((it) => it?.requests.length)).toEqual([0, 0, 1]);
        expect((await fetch(url)).status).toBe(200);
        expect([b, c, d].map((it) => it?.requests.length)).toEqual([0, 0, 2]);
      },
      { randomOf: () => () => draws.shift() ?? 0 },
    );
  });

  test("that draws no call lets the link give the final answer", async () => {
    await withGraph(
      [{ service: "b", probability: 0.4 }],
      { b: ok("b") },
      async (url) => {
        expect(await (await fetch(url)).json()).toEqual({
          message: "You have reached the final chain link a",
        });
      },
      { randomOf: () => () => 0.4 },
    );
  });

  test("of 1 draws no random number", async () => {
    const random = () => {
      throw new Error("drawn");
    };
    await withGraph(["b"], { b: ok("b") }, async (url) => void (await fetch(url)), {
      randomOf: () => random,
    });
  });
});

describe("retries", () => {
  const attempts = async (statuses: readonly number[], retries: number) => {
    let seen: Foreign["requests"] = [];
    let status = 0;
    const answer = (_request: Request, index: number) => new Response("", { status: statuses[index] ?? 200 });
    const spans = await withGraph([{ service: "b", retries }], { b: answer }, async (url, { b }) => {
      status = (await fetch(url)).status;
      seen = b?.requests ?? [];
    });
    return { status, count: seen.length, clients: spans.filter(({ kind }) => kind === "CLIENT") };
  };

  test.each([500, 502, 503, 504, 599])("follow an answer with status %d", async (status) => {
    expect(await attempts([status, 200], 1)).toMatchObject({ status: 200, count: 2 });
  });

  test.each([302, 400, 404, 429])("do not follow an answer with status %d", async (status) => {
    expect(await attempts([status, 200], 3)).toMatchObject({ status, count: 1 });
  });

  test("end with the last attempt's answer, and each attempt has a CLIENT span that counts the earlier ones", async () => {
    const { status, count, clients } = await attempts([500, 503, 504], 2);
    expect({ status, count }).toEqual({ status: 504, count: 3 });
    const tags = clients.map((span) => [
      span.tags?.["http.status_code"],
      span.tags?.["http.request.resend_count"],
    ]);
    expect(tags).toEqual([
      ["500", undefined],
      ["503", "1"],
      ["504", "2"],
    ]);
    expect(new Set(clients.map(({ id }) => id)).size).toBe(3);
    expect(new Set(clients.map(({ parentId }) => parentId)).size).toBe(1);
  });

  test("send the id of their own span", async () => {
    const ids: (string | undefined)[] = [];
    const answer = (request: Request, index: number) => {
      ids.push(request.headers.get("traceparent")?.slice(36, 52));
      return new Response("", { status: index === 0 ? 500 : 200 });
    };
    const spans = await withGraph([{ service: "b", retries: 1 }], { b: answer }, async (url) => {
      await fetch(url);
    });
    const clients: (string | undefined)[] = spans.filter(({ kind }) => kind === "CLIENT").map(({ id }) => id);
    expect(ids).toEqual(clients);
  });

  test("also follow timeouts, and each attempt has the whole timeout", async () => {
    const answer = (_request: Request, index: number) =>
      index === 0 ? new Promise<Response>(() => {}) : new Response("at last");
    await withGraph([{ service: "b", retries: 1, timeoutMs: 100 }], { b: answer }, async (url) => {
      expect(await (await fetch(url)).text()).toBe("at last");
    });
  });
});

test("a call that times out is answered with a 504 that names the service", async () => {
  const never = () => new Promise<Response>(() => {});
  const spans = await withGraph([{ service: "b", timeoutMs: 50 }], { b: never }, async (url) => {
    const response = await fetch(url);
    expect(response.status).toBe(504);
    expect(await response.json()).toEqual({
      message: "call to b failed: no answer within 50 ms",
      service: "b",
    });
  });
  const client = spans.find(({ kind }) => kind === "CLIENT");
  expect(client?.tags).toMatchObject({ "error.type": "timeout", error: "timeout: no answer within 50 ms" });
  expect(client?.tags?.["http.status_code"]).toBeUndefined();
});
