import assert from "node:assert/strict";
import type { Chain } from "./chains.ts";
import { type GoalRow, judgeAtMost } from "./hop-goals.ts";
import { EXECUTABLE, median } from "./process.ts";

/**
 * Compares the latency of two chains, in turns, at half of the second chain's maximum rate. `chain-link load` sends at
 * an even rate, and latency counts from the moment when a request was due. The goal is a p99 below the peer's.
 */
export async function compareAtHalfRate(
  ours: Chain,
  peer: Chain,
  bestRate: number,
  seconds: number,
  rounds: number,
): Promise<{ goal: GoalRow; note: string }> {
  const rate = Math.floor(bestRate / 2);
  const found: { readonly ours: Tail; readonly theirs: Tail }[] = [];
  for (let round = 0; round < rounds; round++) {
    const tails = new Map<Chain, Tail>();
    for (const chain of round % 2 === 0 ? [ours, peer] : [peer, ours]) {
      tails.set(chain, await readTail(chain, rate, seconds));
    }
    found.push({ ours: tails.get(ours) as Tail, theirs: tails.get(peer) as Tail });
  }
  const ratio = median(found.map((one) => one.ours.p99Ms / one.theirs.p99Ms));
  const p99 = (of: "ours" | "theirs") => median(found.map((one) => one[of].p99Ms)).toFixed(2);
  const isReached = found.every((one) => one.ours.isRateReached && one.theirs.isRateReached);
  return {
    goal: judgeAtMost(`p99 at half of the peer's best rate, ${ours.name} / ${peer.name}`, ratio, 1),
    note:
      `- At ${rate} requests/s, half of the best of ${peer.name}: p99 ${p99("ours")} ms, ${peer.name} ${p99("theirs")} ms` +
      `${isReached ? "" : " (not every turn reached the rate)"}.`,
  };
}

interface Tail {
  readonly p99Ms: number;
  readonly isRateReached: boolean;
}

async function readTail({ url, load }: Chain, rate: number, seconds: number): Promise<Tail> {
  const flags = ["--rate", `${rate}/s`, "--duration", `${seconds}s`, "-o", "json", ...load];
  const child = Bun.spawn([EXECUTABLE, "load", url, ...flags], { stdout: "pipe" });
  const { failed, isRateReached, latencyMs } = JSON.parse(await child.stdout.text());
  assert.equal(failed, 0, url);
  return { p99Ms: latencyMs.p99, isRateReached };
}
