import { expect, test } from "bun:test";
import { WAKE_MS, waitFor, waitUntil } from "../../src/lib/wait.ts";
import { graphOf, startChain } from "../helpers/chain.ts";

test.each([0.3, 0.7, 1.5, 2.7, 12.4])(
  "a wait of %d ms is never cut short, not even by a fraction of a millisecond",
  async (ms) => {
    const behavior = { latency: { kind: "fixed", value: ms, probability: 1 } } as const;
    await using chain = startChain(graphOf({ a: { behavior } }));
    for (let request = 0; request < 5; request++) await fetch(chain.url);
    const durations = (await chain.stop()).map(({ duration = 0 }) => duration);
    expect(durations).toHaveLength(5);
    expect(Math.min(...durations)).toBeGreaterThanOrEqual(ms * 1000 - 1);
  },
);

test("a wait of less than a millisecond does not block others", async () => {
  const behavior = { latency: { kind: "fixed", value: 0.9, probability: 1 } } as const;
  await using chain = startChain(graphOf({ a: { behavior } }));
  const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(chain.url)));
  expect(answers.every(({ ok }) => ok)).toBe(true);
});

test("waits of all lengths end in order and never early", async () => {
  const lengths = Array.from({ length: 300 }, (_, index) => ((index * 37) % 25) / 4);
  const startMs = performance.now();
  const ended = await Promise.all(
    lengths.map(async (ms) => {
      await waitFor(ms);
      return performance.now() - startMs - ms;
    }),
  );
  expect(Math.min(...ended)).toBeGreaterThanOrEqual(0);
});

test("the end of a wait is spent in turns of the event loop, and not one turn too many", async () => {
  const endMs = performance.now() + WAKE_MS / 2;
  let isOver = false;
  let turnsAfter = 0;
  const watch = () => {
    if (isOver) return;
    if (performance.now() > endMs) turnsAfter++;
    setImmediate(watch);
  };
  const waiting = waitUntil(endMs).then(() => {
    isOver = true;
  });
  setImmediate(watch);
  await waiting;
  // One turn for the time that passed between two readings of the clock, one for the end of the wait.
  expect(turnsAfter).toBeLessThanOrEqual(2);
});

test("a wait of years does not end at once", async () => {
  const race = await Promise.race([waitFor(1e12).then(() => "over"), Bun.sleep(30).then(() => "waiting")]);
  expect(race).toBe("waiting");
});
