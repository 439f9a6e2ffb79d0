import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type Collector, startCollector } from "../../../src/collector/server.ts";
import { quickChain, startChain, type TestChain } from "../../helpers/chain.ts";
import { runCli, temporaryFolder } from "../../helpers/cli.ts";
import { startHeaderProxy } from "../../helpers/fault-proxy.ts";

const REQUESTS = 20;
const SPANS = 3 * REQUESTS;
const ALIEN = { traceId: "5b8efff798038103d269b633813fc60c", id: "eee19b7ec3c1b174", kind: "SERVER" };

let collector: Collector;
let chain: TestChain;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0 });
  chain = startChain(quickChain("a", "b"), { link: { target: { kind: "zipkin", url: collector.url } } });
});
afterAll(async () => {
  await chain[Symbol.asyncDispose]();
  await collector.stop();
});

/** Sends through the chain, or from elsewhere into it, and looks for the spans there. */
async function verify(backend: string, { url = chain.url, args = [] as readonly string[] } = {}) {
  const pace = ["--requests", String(REQUESTS), "--rate", "200/s", "--query-rate", "200"];
  const all = ["verify", url, "--backend", `zipkin=${backend}`, ...pace, "--max-wait", "300ms", ...args];
  const { exitCode, stdout, stderr } = await runCli([...all, "-o", "json"]);
  return { exitCode, stderr, result: stdout === "" ? null : JSON.parse(stdout) };
}

/** A backend that answers each query so; `real` is what the collector says: many traces, or the spans of one. */
function startBackend(
  answer: (real: () => Promise<unknown[]>, isMany: boolean) => Promise<Response> | Response,
) {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      if (!pathname.startsWith("/api/v2/trace")) return new Response(null, { status: 404 });
      const real = () => fetch(collector.url + pathname + search);
      return answer(async () => (await real()).json() as Promise<unknown[]>, pathname.endsWith("traceMany"));
    },
  });
  return { url: `http://127.0.0.1:${server.port}`, [Symbol.asyncDispose]: () => server.stop(true) };
}

describe("an unreliable backend is exit 3, and nothing is called complete or lost", () => {
  test("only other traces", async () => {
    await using backend = startBackend(() => Response.json([[ALIEN]]));
    const { exitCode, stderr, result } = await verify(backend.url);
    expect(stderr).toContain(`returned traces that were not requested, such as ${ALIEN.traceId}`);
    expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
  });

  test("no spans of the run, and no counters to explain it", async () => {
    await using backend = startBackend(() => Response.json([]));
    using folder = temporaryFolder();
    const junit = join(folder.path, "verify.xml");
    const { exitCode, result } = await verify(backend.url, { args: ["--junit", junit] });
    expect(result).toMatchObject({ outcome: "could-not-tell", spans: { missing: SPANS } });
    expect(result.doubt).toContain("check that the links report to it");
    expect(exitCode).toBe(3);
    expect(await Bun.file(junit).text()).toContain('<error message="the backend has no span of this run');
    // With the counters of the links it is known that they were sent: lost.
    const links = ["a", "b"].flatMap((name) => ["--links", `${name}=${chain.link(name).url}`]);
    const sink = startCollector({ host: "127.0.0.1", port: 0 });
    const known = await runCli([
      ...["verify", chain.url, "--backend", `collector=${sink.url}`, "--requests", "5", "--rate", "100/s"],
      ...["--max-wait", "300ms", ...links, "-o", "json"],
    ]);
    await sink.stop();
    expect(JSON.parse(known.stdout)).toMatchObject({
      outcome: "incomplete",
      doubt: null,
      losses: [{ link: null, reason: "never_received", spans: 15 }],
    });
    expect(known.exitCode).toBe(1);
  });

  test("an HTML page after good responses", async () => {
    let asked = 0;
    await using backend = startBackend(() =>
      asked++ === 0 ? Response.json([]) : new Response("<!doctype html><title>Sign in</title>"),
    );
    const { exitCode, stderr, result } = await verify(backend.url);
    expect(stderr).toContain("found a web page");
    expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
  });

  for (const [what, body] of [
    ["a web page", "<html><h1>404 Not Found</h1>"],
    ["ingress-nginx", "default backend - 404"],
    ["Envoy, which sends no body", ""],
  ] as const)
    test(`404 from a gateway after good responses: ${what}`, async () => {
      let asked = 0;
      await using backend = startBackend(async (real) =>
        asked++ === 0 ? Response.json(await real()) : new Response(body, { status: 404 }),
      );
      const { exitCode, stderr, result } = await verify(backend.url);
      expect(stderr).toContain("cannot be read: something before it answers 404");
      expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
    });

  test("404 from a gateway to each query", async () => {
    await using backend = startBackend(() => new Response(null, { status: 404 }));
    const { exitCode, stderr, result } = await verify(backend.url);
    expect(stderr).toContain("cannot be read: something before it answers 404");
    expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
  });

  test("a truncated response", async () => {
    const head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n";
    const half = Bun.listen({
      hostname: "127.0.0.1",
      port: 0,
      socket: { data: (socket) => void socket.end(`${head}[[{"traceId":"5b8efff7`) },
    });
    const { exitCode, stderr, result } = await verify(`http://127.0.0.1:${half.port}`);
    half.stop(true);
    expect(stderr).toContain("cannot be read");
    expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
  });

  test("spans without required fields", async () => {
    await using backend = startBackend(async (real) => Response.json([[{}], ...(await real())]));
    const { exitCode, stderr, result } = await verify(backend.url);
    expect(stderr).toContain("cannot be read");
    expect({ exitCode, result }).toEqual({ exitCode: 3, result: null });
  });
});

describe("a struggling backend leads to no accusation", () => {
  test("half of the spans in each response: verify asks again", async () => {
    await using backend = startBackend(async (real, isMany) => {
      const traces = await real();
      return Response.json(isMany ? traces.slice(0, Math.ceil(traces.length / 2)) : traces);
    });
    const { exitCode, result } = await verify(backend.url, { args: ["--max-wait", "30s"] });
    expect(result).toMatchObject({ outcome: "complete", traces: { complete: REQUESTS } });
    expect(exitCode).toBe(0);
  });

  test("responses that take longer than --max-wait", async () => {
    await using backend = startBackend(async (real) => {
      await Bun.sleep(1500);
      return Response.json(await real());
    });
    const { exitCode, result } = await verify(backend.url);
    expect(result).toMatchObject({ outcome: "complete", traces: { complete: REQUESTS } });
    expect(exitCode).toBe(0);
  });
});

test("two replicas behind one URL of --links are not mistaken for a missing link", async () => {
  await using younger = startChain(quickChain("a", "b"));
  const sink = startCollector({ host: "127.0.0.1", port: 0 });
  using folder = temporaryFolder();
  const graph = join(folder.path, "graph.yaml");
  await Bun.write(
    graph,
    "apiVersion: chain-link.dev/v1\nkind: Topology\nmetadata: { name: ab }\nservices: { a: { entry: true, calls: [b] }, b: {} }\n",
  );
  const lossesOf = async (order: readonly string[]) => {
    let asked = 0;
    await using balancer = Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch: () => fetch(`${order[asked++ % order.length]}/metrics`),
    });
    const links = ["--links", `b=http://127.0.0.1:${balancer.port}`];
    const run = await runCli([
      ...["verify", chain.url, "--backend", `collector=${sink.url}`, "--requests", "5", "--rate", "100/s"],
      ...["--max-wait", "300ms", "--graph", graph, ...links, "-o", "json"],
    ]);
    return JSON.parse(run.stdout).losses;
  };
  const [old, young] = [chain.link("b").url, younger.link("b").url];
  expect(await lossesOf([old, young])).toEqual([
    { link: "b", reason: "restarted_or_several_replicas", spans: 5 },
    { link: null, reason: "unexplained", spans: 10 },
  ]);
  expect(await lossesOf([young, old])).toEqual([{ link: null, reason: "unexplained", spans: 15 }]);
  await sink.stop();
});

describe("requests that prove nothing are exit 3", () => {
  test("an older link answers without a ledger", async () => {
    let front: TestChain | undefined;
    await using old = startHeaderProxy(
      () => front?.link("b").url ?? "",
      () => {},
      (headers) => headers.delete("chain-link-ledger"),
    );
    await using it = startChain(quickChain("a", "b", "c"), {
      link: {
        target: { kind: "zipkin", url: collector.url },
        resolve: (service) => (service === "b" ? old.url : front?.link(service).url),
      },
    });
    front = it;
    const { exitCode, result } = await verify(collector.url, { url: it.url });
    expect(result).toMatchObject({
      outcome: "could-not-tell",
      traces: { unknown: REQUESTS, complete: 0 },
      spans: { missing: 0 },
    });
    expect(result.doubt).toContain("from a link of an older version");
    expect(exitCode).toBe(3);
  });

  test("a gateway before the entry decides not to sample", async () => {
    await using gateway = startHeaderProxy(
      () => chain.url,
      (headers) => headers.set("traceparent", (headers.get("traceparent") ?? "").replace(/-03$/, "-02")),
    );
    const { exitCode, result } = await verify(collector.url, { url: gateway.url });
    expect(result).toMatchObject({
      outcome: "could-not-tell",
      doubt: `no span was recorded for ${REQUESTS} requests`,
      traces: { "not-sampled": REQUESTS, complete: 0 },
    });
    expect(exitCode).toBe(3);
  });
});

test("--backend-page sets the page of a trace", async () => {
  await using backend = startBackend(async (real) => Response.json((await real()).slice(1)));
  const page = "https://grafana.example/explore?trace={traceId}&again={traceId}";
  const { result } = await verify(backend.url, { args: ["--backend-page", page, "--max-wait", "0"] });
  const [{ traceId, page: found }] = result.examples;
  expect(found).toBe(`https://grafana.example/explore?trace=${traceId}&again=${traceId}`);
  const usage = await verify(backend.url, { args: ["--backend-page", "https://grafana.example/"] });
  expect(usage.stderr).toContain("a URL that contains {traceId}");
  expect(usage.exitCode).toBe(2);
});
