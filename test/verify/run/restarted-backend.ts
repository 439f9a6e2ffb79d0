import { expect, setDefaultTimeout, test } from "bun:test";
import { join } from "node:path";
import { quickChain } from "../../helpers/chain.ts";
import { eventually, temporaryFolder } from "../../helpers/cli.ts";
import { type CollectorProcess, startCollectorProcess } from "../../helpers/collector-process.ts";
import { startFaultProxy } from "../../helpers/fault-proxy.ts";
import { type LinkProcess, startLinkProcess } from "../../helpers/link-process.ts";
import { verifyRun } from "../../helpers/verify-run.ts";
import { startZipkin } from "../../helpers/zipkin-server.ts";

setDefaultTimeout(240_000);

export const NAMES = ["a", "b", "c"];
export const TOPOLOGY = quickChain(...NAMES);
const DOCUMENT = `{ "apiVersion": "chain-link.dev/v1", "kind": "Topology", "metadata": { "name": "t" }, "services":
  { "a": { "entry": true, "calls": ["b"] }, "b": { "calls": ["c"] }, "c": {} } }`;

/** The links of a chain, each a process of its own. */
export interface Links {
  /** URLs by name, the entry first. */
  readonly urls: ReadonlyMap<string, string>;
  /** Kills a link and restarts it on the same port. */
  restart(name: string): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a chain of processes that send their spans to `zipkin`. */
export async function startLinks(zipkin: string): Promise<Links> {
  const folder = temporaryFolder();
  const file = join(folder.path, "topology.json");
  await Bun.write(file, DOCUMENT);
  const processes = new Map<string, LinkProcess>();
  const start = (name: string, port?: number) => {
    const others = [...processes].flatMap(([other, { url }]) => ["--resolve", `${other}=${url}`]);
    const args = ["--name", name, "--topology", file, "--zipkin", zipkin, "--slow", "off", ...others];
    return startLinkProcess(args, {}, port);
  };
  for (const name of NAMES.toReversed()) processes.set(name, await start(name));
  return {
    urls: new Map(NAMES.map((name) => [name, processes.get(name)?.url ?? ""])),
    async restart(name) {
      const old = processes.get(name);
      old?.kill("SIGKILL");
      await old?.exited;
      processes.set(name, await start(name, Number(new URL(old?.url ?? "").port)));
    },
    async [Symbol.asyncDispose]() {
      for (const link of processes.values()) await link[Symbol.asyncDispose]();
      folder[Symbol.dispose]();
    },
  };
}

/** A trace backend that a test kills. */
export interface Backend {
  readonly kind: "zipkin" | "collector";
  readonly url: string;
  /** Kills it and restarts it on the same port. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts our collector as a process. */
export async function startCollectorBackend(
  args: readonly string[] = [],
  kind: Backend["kind"] = "collector",
): Promise<Backend> {
  let running: CollectorProcess = await startCollectorProcess(args);
  const { url } = running;
  return {
    kind,
    url,
    async restart() {
      running.signal("SIGKILL");
      await running.exited;
      running = await startCollectorProcess([...args, "--port", new URL(url).port]);
    },
    async stop() {
      running.signal("SIGTERM");
      await running.exited;
    },
  };
}

/** Starts a real Zipkin. */
export async function startZipkinBackend(): Promise<Backend> {
  let running = await startZipkin();
  const { url } = running;
  return {
    kind: "zipkin",
    url,
    async restart() {
      await running.kill();
      running = await startZipkin({ port: Number(new URL(url).port) });
    },
    stop: () => running.stop(),
  };
}

/**
 * Kills the backend once it has accepted `spansBefore` spans of a run, restarts it, and judges the run. `before` counts
 * the spans that it had accepted when it was killed, `dropped` those that never reached it.
 */
export async function killUnderLoad(
  backend: Backend,
  { spansBefore = 600, requests = 1000, maxWaitMs = 20_000 } = {},
) {
  await using proxy = startFaultProxy(backend.url);
  await using links = await startLinks(proxy.url);
  let before = 0;
  const killed = (async () => {
    await eventually(() => (proxy.passed.length > spansBefore ? true : undefined), 60_000);
    const restarted = backend.restart();
    before = proxy.passed.length;
    await restarted;
  })();
  const result = await verifyRun({
    url: links.urls.get("a") ?? "",
    backend,
    topology: TOPOLOGY,
    requests,
    perSecond: 100,
    links: links.urls,
    maxWaitMs,
    onSent: () => killed,
  });
  await backend.stop();
  return { result, before, dropped: 5 * requests - proxy.passed.length };
}

/** Tests that a restarted backend that stores spans in memory is blamed for the spans that it lost. */
export function testForgottenSpans(name: string, start: () => Promise<Backend>): void {
  test(`${name} that is killed under load is blamed for the spans that it lost, and no link is blamed`, async () => {
    const { result, before, dropped } = await killUnderLoad(await start());
    expect(before).toBeGreaterThan(600);
    expect(result.outcome).toBe("incomplete");
    expect(result.spans.missing).toBe(before + dropped);
    // If Zipkin takes more than a minute to start, the links have already dropped the first batches.
    const others = result.losses.filter(({ reason }) => reason !== "unavailable");
    expect(others).toEqual([{ link: null, reason: "backend_restarted", spans: before }]);
  });
}
