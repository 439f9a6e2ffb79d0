import { expect, test } from "bun:test";
import { graphOf, startChain } from "../helpers/chain.ts";

test.each([0.3, 0.7, 1.5, 2.7, 12.4])(
  "a latency of %d ms is never cut short, to the part of a millisecond",
  async (ms) => {
    const behaviour = { latency: { kind: "fixed", value: ms, probability: 1 } } as const;
    await using chain = startChain(graphOf({ a: { behaviour } }));
    for (let request = 0; request < 5; request++) await fetch(chain.url);
    const durations = (await chain.stop()).map(({ duration = 0 }) => duration);
    expect(durations).toHaveLength(5);
    expect(Math.min(...durations)).toBeGreaterThanOrEqual(ms * 1000 - 1);
  },
);

test("others are served while one waits for part of a millisecond", async () => {
  const behaviour = { latency: { kind: "fixed", value: 0.9, probability: 1 } } as const;
  await using chain = startChain(graphOf({ a: { behaviour } }));
  const answers = await Promise.all(Array.from({ length: 100 }, () => fetch(chain.url)));
  expect(answers.every(({ ok }) => ok)).toBe(true);
});
