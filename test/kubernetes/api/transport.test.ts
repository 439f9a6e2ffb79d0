import { expect, test } from "bun:test";
import { type ApiClientOptions, Transport } from "../../../src/kubernetes/api/transport.ts";
import { temporaryFolder } from "../../helpers/cli.ts";
import { config, openConfig } from "./config.ts";

/** A server that answers the n-th request, from 1, as it is told to, and a transport to it. */
function start(answer: (request: number) => Response | Promise<Response>, options: ApiClientOptions = {}) {
  const counts = { requests: 0 };
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => {
      counts.requests += 1;
      return answer(counts.requests);
    },
  });
  const folder = temporaryFolder();
  const clusters = [{ name: "c", cluster: { server: `http://127.0.0.1:${server.port}` } }];
  const access = openConfig(folder.path, config({}, { clusters }));
  return {
    counts,
    transport: new Transport(access, options),
    async [Symbol.asyncDispose]() {
      folder[Symbol.dispose]();
      await server.stop(true);
    },
  };
}

const GET = { method: "GET", path: "/x" } as const;

function refuse(status: number, retryAfter: string): Response {
  const body = { kind: "Status", apiVersion: "v1", reason: "TooManyRequests", message: "slow down" };
  return Response.json(body, { status, headers: { "Retry-After": retryAfter } });
}

test.each([429, 503])("a %d with Retry-After is retried after that time", async (status) => {
  await using site = start((request) => (request < 3 ? refuse(status, "0") : Response.json({ done: true })));
  expect(await site.transport.json(GET)).toEqual({ done: true } as never);
  expect(site.counts.requests).toBe(3);
});

test("a Retry-After beyond the time limit fails at once", async () => {
  await using site = start(() => refuse(429, "3600"));
  await expect(site.transport.json(GET)).rejects.toThrow("429 again and again: slow down");
  expect(site.counts.requests).toBe(1);
});

test("requests waiting for a retry count as in flight", async () => {
  let running = 0;
  let most = 0;
  await using site = start(async (request) => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
    return request % 7 === 0 ? refuse(429, "0") : Response.json({});
  });
  await Promise.all(Array.from({ length: 600 }, () => site.transport.json(GET)));
  expect(site.counts.requests).toBeGreaterThan(600);
  expect(most).toBeLessThanOrEqual(64);
});

test("each warning of the server is reported once", async () => {
  const warnings: string[] = [];
  const headers = { Warning: '299 - "x is \\"old\\"", 299 - "y"' };
  await using site = start(() => Response.json({}, { headers }), { onWarning: (it) => warnings.push(it) });
  await site.transport.json(GET);
  await site.transport.json(GET);
  expect(warnings).toEqual(['x is "old"', "y"]);
});

test("a server that is not an API server is reported as such", async () => {
  await using site = start(() => new Response("<html>"));
  await expect(site.transport.json(GET)).rejects.toThrow("does not speak JSON: an HTML page");
});
