import { expect, test } from "bun:test";
import { Gate } from "../../../src/kubernetes/api/gate.ts";

/** Sends requests through a gate to a server that answers them in turns, each turn so much later. */
async function flood(gate: Gate, clock: { ms: number }, requests: number, tookMs: (width: number) => number) {
  const under: (() => void)[] = [];
  let most = 0;
  const all = Array.from({ length: requests }, () =>
    gate.run(() => new Promise<void>((resolve) => under.push(resolve))),
  );
  while (under.length > 0) {
    most = Math.max(most, under.length);
    const turn = under.splice(0);
    clock.ms += tookMs(turn.length);
    for (const answer of turn) answer();
    for (let i = 0; i < 10; i++) await Promise.resolve();
  }
  await Promise.all(all);
  return most;
}

function openGate() {
  const clock = { ms: 0 };
  return { clock, gate: new Gate(4, 32, () => clock.ms) };
}

test("a server that stays fast under concurrency gets more requests, up to the maximum", async () => {
  const { clock, gate } = openGate();
  expect(await flood(gate, clock, 2000, () => 20)).toBe(32);
});

test("a server that slows down under concurrency keeps the minimum", async () => {
  const { clock, gate } = openGate();
  await gate.run(async () => {
    clock.ms += 5;
  });
  expect(await flood(gate, clock, 2000, (count) => 5 * count)).toBe(4);
});

test("a server that becomes slow gets fewer requests again", async () => {
  const { clock, gate } = openGate();
  await flood(gate, clock, 2000, () => 20);
  await flood(gate, clock, 4000, (count) => 20 * count);
  expect(gate.width).toBe(4);
});

test("a failed request also frees its place", async () => {
  const { clock, gate } = openGate();
  for (let i = 0; i < 10; i++) await gate.run(() => Promise.reject(new Error("no"))).catch(() => {});
  expect(await flood(gate, clock, 4, () => 1)).toBe(4);
});
