import assert from "node:assert/strict";
import { startOwnChain } from "./chains.ts";
import { type GoalRow, judgeAtMost } from "./hop-goals.ts";
import { median, readMemory } from "./process.ts";
import type { SpanSink } from "./span-sink.ts";
import { runWrk } from "./wrk.ts";

/** Memory is read after this many requests, which are sent in turns of this many seconds. */
const STAGES = [
  [10_000, 2],
  [1_000_000, 10],
] as const;
const CONNECTIONS = 16;
const MOST = 1.1;

/** Compares the resident memory of new links, traced at 100 %, after 1,000,000 requests and after 10,000. */
export async function measureGrowth(sink: SpanSink): Promise<{ goal: GoalRow; note: string }> {
  const chain = await startOwnChain({
    name: "memory",
    tags: "default",
    sampled: 1,
    hasLedger: true,
    sink: sink.url,
  });
  try {
    assert.equal((await fetch(chain.url)).status, 200);
    const found: { readonly requests: number; readonly bytes: number }[] = [];
    for (const [goal, seconds] of STAGES) {
      while ((await chain.requests()) < goal) await runWrk(chain.url, CONNECTIONS, seconds);
      const bytes = median(chain.pids.map((pid) => readMemory(pid, "VmRSS")));
      found.push({ requests: await chain.requests(), bytes });
    }
    const texts = found.map(
      ({ requests, bytes }) => `${(bytes / 1e6).toFixed(1)} MB after ${requests} requests`,
    );
    const ratio = (found[1]?.bytes ?? Number.NaN) / (found[0]?.bytes ?? Number.NaN);
    return {
      goal: judgeAtMost("MB per link after 1,000,000 requests / after 10,000", ratio, MOST),
      note: `- Memory of a link of a new chain: ${texts.join(", ")}.`,
    };
  } finally {
    await chain.stop();
  }
}
