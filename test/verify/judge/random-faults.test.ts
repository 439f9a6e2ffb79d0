import { expect, test } from "bun:test";
import { startCollector } from "../../../src/collector/server.ts";
import { randomSource } from "../../../src/lib/random.ts";
import type { Span } from "../../../src/trace/span.ts";
import { graphOf, startChain } from "../../helpers/chain.ts";
import { eventually } from "../../helpers/cli.ts";
import { startFaultProxy } from "../../helpers/fault-proxy.ts";
import { verifyRun } from "../../helpers/verify-run.ts";

/** Raise it for a longer proof: `VERIFY_FAULT_RUNS=2000`. */
const RUNS = Number(process.env.VERIFY_FAULT_RUNS ?? 10);
const REQUESTS = 40;

const call = (service: string, retries = 0) => ({ service, retries, timeoutMs: 60_000 });
const fails = (status: number, rate: number) => ({
  errors: [{ kind: "status" as const, status, rate, after: null }],
});
const TREE = graphOf({
  front: { calls: [call("catalog"), [call("reviews"), call("ads")], call("checkout", 2)] },
  catalog: { calls: [call("store")] },
  reviews: { calls: [call("store", 1)], behavior: fails(500, 0.1) },
  ads: { behavior: fails(503, 0.1) },
  checkout: { behavior: fails(500, 0.1) },
  store: { behavior: fails(500, 0.05) },
});
const NAMES = [...TREE.services.keys()];

/** The faults that the proxy applied to spans; results are compared with them. */
class Faults {
  readonly lost: Span[] = [];
  readonly altered: Span[] = [];
  copies = 0;
  sent = 0;
  readonly #random: () => number;
  readonly #chances: readonly number[];
  /** As one that was killed: from some batch on its spans never leave. */
  readonly #killed: string | null;
  readonly #killedAfter: number;
  #batches = 0;

  constructor(seed: string) {
    this.#random = randomSource(seed)("faults");
    const chance = () => (this.#random() < 0.5 ? 0 : this.#random() * 0.1);
    this.#chances = [chance(), chance(), chance()];
    this.#killed = this.#random() < 0.3 ? (NAMES[Math.floor(this.#random() * NAMES.length)] ?? null) : null;
    this.#killedAfter = this.#random() * 20;
  }

  edit(spans: readonly Span[]): readonly Span[] {
    this.#batches++;
    const [lose = 0, double = 0, alter = 0] = this.#chances;
    const edited = spans.flatMap((span) => {
      const name = span.localEndpoint?.serviceName;
      const isKilled = name === this.#killed && this.#batches > this.#killedAfter;
      if (isKilled || this.#random() < lose) {
        this.lost.push(span);
        return [];
      }
      if (this.#random() < double) {
        this.copies++;
        return [span, span];
      }
      if (this.#random() >= alter) return [span];
      this.altered.push(span);
      return [this.#alter(span)];
    });
    this.sent += edited.length;
    return edited;
  }

  #alter(span: Span): Span {
    const which = Math.floor(this.#random() * 3);
    if (which === 0) return { ...span, parentId: "00000000000000ff" };
    if (which === 1) return { ...span, kind: span.kind === "SERVER" ? "CLIENT" : "SERVER" };
    return { ...span, localEndpoint: { ...span.localEndpoint, serviceName: "somebody-else" } };
  }
}

async function proveRun(seed: string): Promise<void> {
  const random = randomSource(seed)("run");
  const topology = random() < 0.5 ? TREE : null;
  const isLive = random() < 0.3;
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  await using proxy = startFaultProxy(collector.url);
  await using chain = startChain(TREE, {
    link: { target: { kind: "zipkin", url: proxy.url }, randomOf: () => Math.random },
  });
  const faults = new Faults(seed);
  proxy.edit = (spans) => faults.edit(spans);
  proxy.delayMs = random() < 0.3 ? random() * 300 : 0;
  const result = await verifyRun({
    ...{ url: chain.url, topology, requests: REQUESTS },
    // The run is judged after its last request, or while requests are still sent.
    ...(isLive ? { perSecond: 40, maxWaitMs: 500 } : { perSecond: 1000, maxWaitMs: 0, isSentFirst: true }),
    backend: { kind: "collector", url: collector.url },
    links: new Map([...chain.links].map(([name, { url }]) => [name, url])),
    onSent: async () => {
      const isSent = () => [...chain.links.values()].every(({ reporter }) => reporter.queued === 0);
      await eventually(() => (isSent() && proxy.passed.length === faults.sent) || undefined, 60_000);
    },
  });
  await collector.stop();
  const { lost, altered, copies } = faults;
  const hurt = new Set([...lost, ...altered].map(({ traceId }) => traceId)).size;
  const { traces, spans, links } = result;
  // No trace is falsely "complete", and no trace is accused without a fault.
  expect(traces.complete + traces.duplicated).toBe(REQUESTS - hurt);
  if (hurt > 0) expect(result.outcome).not.toBe("complete");
  expect(spans.copies).toBe(copies);
  expect(spans.altered).toBeLessThanOrEqual(altered.length);
  if (altered.length > 0) {
    expect(spans.missing).toBeLessThanOrEqual(lost.length + altered.length);
    return;
  }
  expect(spans.missing).toBe(lost.length);
  expect(result.losses.reduce((sum, loss) => sum + loss.spans, 0)).toBe(lost.length);
  for (const [name, { server, client }] of Object.entries(links)) {
    const of = (kind: string) =>
      lost.filter((span) => span.localEndpoint?.serviceName === name && span.kind === kind).length;
    expect({ name, server: Math.min(server, of("SERVER")), client: Math.min(client, of("CLIENT")) }).toEqual({
      name,
      server,
      client,
    });
  }
}

test("results are true with random drops, copies, alterations, delays and a killed link", async () => {
  const first = Number(process.env.VERIFY_FAULT_SEED ?? Date.now());
  for (let run = 0; run < RUNS; run++) {
    const seed = `${first + run}`;
    await proveRun(seed).catch((error) => {
      throw new Error(`VERIFY_FAULT_RUNS=1 VERIFY_FAULT_SEED=${seed}: ${error}`, { cause: error });
    });
  }
}, 3_600_000);
