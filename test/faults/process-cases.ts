import type { Span } from "../../src/trace/span.ts";
import { quickChain } from "../helpers/chain.ts";
import { eventually } from "../helpers/cli.ts";
import { type CollectorProcess, startCollectorProcess } from "../helpers/collector-process.ts";
import { startFaultProxy, startHeaderProxy } from "../helpers/fault-proxy.ts";
import { missing } from "./claims.ts";
import { type FaultCase, startDisturbed } from "./fault-case.ts";

const CHAIN = quickChain("a", "b", "c");

export const PROCESS_CASES: readonly FaultCase[] = [
  { fault: "in-memory backend killed and started again", run: killBackend },
  { fault: "spans of a link stop leaving it, as if it were killed", run: killLink },
  { fault: "context stripped on one edge", run: stripContext },
];

async function killBackend(requests: number) {
  await using collector = await startRestartable();
  await using outer = startFaultProxy(collector.url);
  await using place = startDisturbed(CHAIN, undefined, { target: { kind: "zipkin", url: outer.url } });
  const sent: Span[] = [];
  outer.edit = (spans) => {
    sent.push(...spans);
    return spans;
  };
  let passedBefore: readonly Span[] = [];
  const restarted = (async () => {
    await eventually(() => outer.passed.length > requests || undefined, 60_000);
    outer.isDown = true;
    // The backend finishes the batch in progress before it is killed.
    await Bun.sleep(50);
    passedBefore = [...outer.passed];
    await collector.restart();
    outer.isDown = false;
  })();
  const reported = await place.verify({
    requests,
    backend: { kind: "collector", url: collector.url },
    maxWaitMs: 5000,
    onSent: () => restarted,
  });
  return { injected: passedBefore.map(missing), reported };
}

async function startRestartable() {
  let running: CollectorProcess = await startCollectorProcess();
  const { url } = running;
  return {
    url,
    async restart() {
      running.signal("SIGKILL");
      await running.exited;
      running = await startCollectorProcess(["--port", new URL(url).port]);
    },
    async [Symbol.asyncDispose]() {
      running.signal("SIGTERM");
      await running.exited;
    },
  };
}

/** From the middle of the run on, the link delivers no spans, and at the end its counters are unreadable. */
async function killLink(requests: number) {
  await using place = startDisturbed(CHAIN);
  const injected: string[] = [];
  place.proxy.edit = (spans) =>
    spans.filter((span) => {
      const isLost = span.localEndpoint?.serviceName === "b" && place.proxy.received > requests * 3;
      if (isLost) injected.push(missing(span));
      return !isLost;
    });
  const links = new Map([...place.chain.links].map(([name, { url }]) => [name, url]));
  const metrics = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ url }) => fetch(links.get("b") + new URL(url).pathname + new URL(url).search),
  });
  const reported = await place.verify({
    requests,
    links: new Map([...links, ["b", `http://127.0.0.1:${metrics.port}`]]),
    onSent: () => metrics.stop(true),
  });
  return { injected, reported };
}

async function stripContext(requests: number) {
  const injected: string[] = [];
  let calls = 0;
  await using stripping = startHeaderProxy(
    () => place.chain.link("b").url,
    (headers) => {
      if (calls++ % 3 !== 0) return;
      const [, traceId] = (headers.get("traceparent") ?? "").split("-");
      injected.push(`${traceId} the context broke at a > b`);
      headers.delete("traceparent");
    },
  );
  await using place = startDisturbed(CHAIN, (service) => (service === "b" ? stripping.url : null));
  return { reported: await place.verify({ requests }), injected };
}
