import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { proxyTo } from "../../../src/kubernetes/api/api-server-proxy.ts";
import { ApiClient } from "../../../src/kubernetes/api/client.ts";
import { openCluster } from "../../../src/kubernetes/api/kubeconfig.ts";
import { ZipkinReader } from "../../../src/verify/backend/zipkin-reader.ts";
import { temporaryFolder } from "../../helpers/cli.ts";

const SIGNAL = new AbortController().signal;
const BASE = "/api/v1/namespaces/demo/services/zipkin-service:80/proxy";

/** An answer of the API server itself. */
function status(code: number, reason: string, message: string): Response {
  const body = { kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", message, reason, code };
  return Response.json(body, { status: code });
}

/** A proxy to a Service through an API server that answers as it is told to, and the paths that it was asked for. */
function open(answers: readonly (() => Response)[]) {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      asked.push(pathname + search);
      return answers[Math.min(asked.length, answers.length) - 1]?.() ?? new Response();
    },
  });
  const folder = temporaryFolder();
  const file = join(folder.path, "kubeconfig");
  const config = {
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "k", user: "u" } }],
    clusters: [{ name: "k", cluster: { server: `http://127.0.0.1:${server.port}` } }],
    users: [{ name: "u", user: { token: "t" } }],
  };
  writeFileSync(file, JSON.stringify(config));
  const client = new ApiClient(openCluster({ file, context: null, environment: {} }));
  const to = { kind: "services", name: "zipkin-service", port: 80 } as const;
  return {
    asked,
    proxy: proxyTo(client, "demo", to, 1000),
    async [Symbol.asyncDispose]() {
      await server.stop(true);
      folder[Symbol.dispose]();
    },
  };
}

test("a backend is read through the API server's proxy path", async () => {
  await using it = open([() => Response.json([[{ traceId: "a".repeat(32), id: "b".repeat(16) }]])]);
  const reader = new ZipkinReader(it.proxy.url, "Zipkin", { place: "of demo", fetch: it.proxy.fetch });
  const ids = ["a".repeat(32), "c".repeat(32)];
  expect((await reader.read(ids, SIGNAL)).get(ids[0] ?? "")).toHaveLength(1);
  expect(it.asked).toEqual([`${BASE}/api/v2/traceMany?traceIds=${ids.join(",")}`]);
  expect(reader.name).toBe("Zipkin of demo");
  expect(reader.pageOf(ids[0] ?? "")).toBeNull();
});

test("a 404 of the backend is a missing trace; a 404 of the API server is a missing Service", async () => {
  // A backend that answers 404 for a trace is still asked for its services: a gateway has none.
  const noTrace = () => new Response("trace not found", { status: 404 });
  await using empty = open([noTrace, () => Response.json([])]);
  const reader = new ZipkinReader(empty.proxy.url, "Zipkin", { place: "", fetch: empty.proxy.fetch });
  expect((await reader.read(["a".repeat(32)], SIGNAL)).size).toBe(0);
  await using gone = open([() => status(404, "NotFound", 'services "zipkin-service" not found')]);
  const blind = new ZipkinReader(gone.proxy.url, "Zipkin", { place: "", fetch: gone.proxy.fetch });
  await expect(blind.read(["a".repeat(32)], SIGNAL)).rejects.toThrow(
    'cannot be read: services "zipkin-service" not found',
  );
});

test("a forbidden proxy request fails at once with the API server's message", async () => {
  await using it = open([() => status(403, "Forbidden", 'cannot get resource "services/proxy"')]);
  const { url, fetch } = it.proxy;
  await expect(fetch(`${url}/health`, { signal: SIGNAL })).rejects.toThrow(
    'cannot get resource "services/proxy"',
  );
  expect(it.asked).toHaveLength(1);
});

test("a Service that is unreachable for a moment is retried", async () => {
  const away = () => status(503, "ServiceUnavailable", "no endpoints available for service");
  await using it = open([away, () => new Response("ok")]);
  expect(await (await it.proxy.fetch(`${it.proxy.url}/health`, { signal: SIGNAL })).text()).toBe("ok");
  expect(it.asked).toEqual([`${BASE}/health`, `${BASE}/health`]);
  await using gone = open([away]);
  await expect(gone.proxy.fetch(`${gone.proxy.url}/health`, { signal: SIGNAL })).rejects.toThrow(
    "no endpoints available",
  );
  expect(gone.asked.length).toBeGreaterThan(1);
});
