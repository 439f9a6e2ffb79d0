import assert from "node:assert/strict";
import { type OwnChain, startOwnChain } from "./chains.ts";
import { type GoalRow, judgeAtMost } from "./hop-goals.ts";
import { readCpuMicros } from "./process.ts";
import type { SpanSink } from "./span-sink.ts";
import { runWrk } from "./wrk.ts";

const MOST = 1.03;
const WARM_UP = { requests: 50_000, connections: 16 };
/** The mean is within two standard errors in 95 of 100 runs. */
const ERRORS = 2;

/**
 * Measures how much ledgers add to the CPU time of a hop, traced at 100 %. Two chains of the same program differ by up
 * to 5 %, depending on where their code and heaps are placed. So the result is the mean ratio of many pairs of new
 * processes, with its error.
 */
export async function measureLedgerShare(
  sink: SpanSink,
  pairs: number,
  connections: readonly number[],
  seconds: number,
): Promise<{ readonly goals: readonly GoalRow[]; readonly note: string }> {
  const ratios = new Map(connections.map((count) => [count, [] as number[]]));
  for (let pair = 0; pair < pairs; pair++) {
    for (const [count, ratio] of await measurePair(sink, pair, connections, seconds)) {
      ratios.get(count)?.push(ratio);
      console.log(`ledger, pair ${pair}, c=${count}: ${ratio.toFixed(3)}`);
    }
  }
  const found = [...ratios].map(([count, values]) => ({ count, ...average(values) }));
  return {
    goals: found.map(({ count, mean }) =>
      judgeAtMost("CPU per hop, traced 100 % / without ledgers", mean, MOST, count),
    ),
    note: `- Ledgers, ${pairs} pairs of new chains: ${found
      .map(({ count, mean, error }) => `c=${count} ${mean.toFixed(3)} ± ${(ERRORS * error).toFixed(3)}`)
      .join(", ")}.`,
  };
}

async function measurePair(sink: SpanSink, pair: number, connections: readonly number[], seconds: number) {
  const start = (hasLedger: boolean) =>
    startOwnChain({
      name: `ledger ${hasLedger ? "on" : "off"}`,
      tags: "default",
      sampled: 1,
      hasLedger,
      sink: sink.url,
    });
  // The order of the two starts alternates.
  const order = pair % 2 === 0 ? [true, false] : [false, true];
  const chains: OwnChain[] = [];
  try {
    for (const hasLedger of order) chains.push(await start(hasLedger));
    for (const chain of chains) {
      assert.equal((await fetch(chain.url)).headers.has("chain-link-ledger"), chain.name === "ledger on");
      while ((await chain.requests()) < WARM_UP.requests) await runWrk(chain.url, WARM_UP.connections, 2);
    }
    const found: (readonly [number, number])[] = [];
    for (const count of connections) {
      const hops = new Map<OwnChain, number>(chains.map((chain) => [chain, 0]));
      for (const chain of [...chains, ...chains.toReversed()])
        hops.set(chain, (hops.get(chain) ?? 0) + (await measureHop(chain, count, seconds)));
      const of = (name: string) => hops.get(chains.find((chain) => chain.name === name) as OwnChain) ?? 0;
      found.push([count, of("ledger on") / of("ledger off")]);
    }
    for (const chain of chains) assert.equal((await chain.spans()).dropped, 0, chain.name);
    return found;
  } finally {
    await Promise.all(chains.map((chain) => chain.stop()));
  }
}

async function measureHop({ url, pids }: OwnChain, connections: number, seconds: number): Promise<number> {
  const before = readCpuMicros(pids);
  const { requests } = await runWrk(url, connections, seconds);
  return (readCpuMicros(pids) - before) / requests;
}

function average(values: readonly number[]): { readonly mean: number; readonly error: number } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (values.length - 1) / values.length) };
}
