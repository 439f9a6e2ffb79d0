import { expect, test } from "bun:test";
import fc from "fast-check";
import { HashSet } from "../../src/collector/hash-set.ts";
import { SortedTraces } from "../../src/collector/sorted-traces.ts";
import { hexId } from "./spans.ts";

test("a set of hashes holds what a Set would", () => {
  const word = fc.oneof(
    fc.integer({ min: 0, max: 3 }),
    fc.integer({ min: 0, max: 40 }).map((n) => n << 26),
  );
  const step = fc.record({ high: word, low: word, isAdded: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const set = new HashSet();
      const oracle = new Set<string>();
      for (const { high, low, isAdded } of steps) {
        const key = high === 0 && low === 0 ? "0,1" : `${high},${low}`;
        if (isAdded) {
          expect(set.add(high, low)).toBe(!oracle.has(key));
          oracle.add(key);
        } else {
          set.delete(high, low);
          oracle.delete(key);
        }
        expect(set.size).toBe(oracle.size);
      }
    }),
  );
});

test("a set of hashes grows and shrinks without losing a hash", () => {
  const set = new HashSet();
  for (let index = 1; index <= 50_000; index++)
    expect(set.add(index, Math.imul(index, 0x9e3779b1))).toBe(true);
  for (let index = 1; index <= 50_000; index += 2) set.delete(index, Math.imul(index, 0x9e3779b1));
  expect(set.size).toBe(25_000);
  for (let index = 1; index <= 50_000; index++)
    expect(set.add(index, Math.imul(index, 0x9e3779b1))).toBe(index % 2 === 1);
});

test("traces are found in order, wherever they were inserted or removed", () => {
  const traces = Array.from({ length: 10_000 }, (_, index) => ({
    start: Math.imul(index, 0x9e3779b1) >>> 20,
    id: hexId(index),
  }));
  const sorted = new SortedTraces<{ start: number; id: string }>();
  for (const trace of traces) sorted.add(trace);
  const left = traces.filter((_, index) => index % 3 !== 0);
  for (const [index, trace] of traces.entries()) if (index % 3 === 0) sorted.remove(trace);
  left.sort((a, b) => b.start - a.start || (a.id < b.id ? 1 : -1));
  expect(Array.from(sorted.newestFirst(0, 1e9))).toEqual(left);
  expect(sorted.first()).toBe(left.at(-1));
  const window = left.filter(({ start }) => start >= 1000 && start <= 2000);
  expect(Array.from(sorted.newestFirst(1000, 2000))).toEqual(window);
});
