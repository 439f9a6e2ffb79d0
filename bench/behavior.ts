/**
 * How exactly a link keeps the times that its topology asks for.
 *
 *     bun bench/behavior.ts
 *
 * - Waiting: how late a latency ends, alone and with 100 others in flight, and the CPU time of one wait.
 *   Asserted first: no latency ends early.
 * - Work: the wall time of `cpu` for each millisecond asked for. Asserted first: twice the work takes longer. On
 *   a busy machine it takes longer than asked, like any work.
 */
import assert from "node:assert/strict";
import { waitFor } from "../src/lib/wait.ts";
import { doWork } from "../src/link/busy-work.ts";
import { median } from "./process.ts";

// A link has a listening socket; without one the runtime's event loop does not sleep.
using _listener = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });

const ROUNDS = 200;
const OTHERS = 100;
const WAITS_MS = [0.1, 0.5, 1, 1.5, 2, 5, 20];
const WORK_MS = [0.1, 0.3, 1, 10];

for (const others of [0, OTHERS]) {
  console.log(`waiting, ${others} others in flight: delay, µs`);
  for (const ms of WAITS_MS) {
    const before = process.cpuUsage();
    const late = await measureWaits(ms, others);
    const { user, system } = process.cpuUsage(before);
    assert.ok(late.every((micros) => micros >= 0));
    const p99 = late.toSorted((a, b) => a - b)[Math.floor(late.length * 0.99)] ?? 0;
    const cost = others > 0 ? "" : `, ${((user + system) / ROUNDS).toFixed(0)} µs of CPU time per wait`;
    console.log(`  ${ms} ms: median ${median(late).toFixed(0)}, p99 ${p99.toFixed(0)}${cost}`);
  }
}

doWork(10);
assert.ok(measureWork(20) > measureWork(10));
console.log("work: time taken / asked for, fastest and median");
for (const ms of WORK_MS) {
  const ratios = Array.from({ length: ROUNDS / 4 }, () => measureWork(ms) / ms);
  console.log(`  ${ms} ms: ${Math.min(...ratios).toFixed(2)}, ${median(ratios).toFixed(2)}`);
}

async function measureWaits(ms: number, others: number): Promise<number[]> {
  let isOver = false;
  const crowd = Array.from({ length: others }, async (_, index) => {
    while (!isOver) await waitFor(1 + (index % 10));
  });
  const late: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const startMs = performance.now();
    await waitFor(ms);
    late.push((performance.now() - startMs - ms) * 1000);
  }
  isOver = true;
  await Promise.all(crowd);
  return late;
}

function measureWork(ms: number): number {
  const startMs = performance.now();
  doWork(ms);
  return performance.now() - startMs;
}
