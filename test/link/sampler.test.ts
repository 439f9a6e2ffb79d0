import { expect, test } from "bun:test";
import { ratioSampler } from "../../src/link/sampler.ts";
import { randomWord } from "../../src/trace/ids.ts";

test("a ratio sampler keeps its share of traces, and always the same ones", () => {
  const half = ratioSampler(0.5);
  const ids = Array.from({ length: 4000 }, () => [randomWord(), randomWord()] as const);
  const keptBy = (ratio: number) => {
    const sample = ratioSampler(ratio);
    return ids.filter(([high, low]) => sample(high, low));
  };
  expect(keptBy(0.5).length).toBeWithin(1800, 2200);
  expect(keptBy(0.5)).toEqual(keptBy(0.5));
  expect(keptBy(0.25).filter(([high, low]) => !half(high, low))).toEqual([]);
  expect(keptBy(0)).toEqual([]);
  expect(keptBy(1).length).toBe(ids.length);
});
