import { expect, test } from "bun:test";
import { newSpanId, newTraceId } from "../../src/trace/ids.ts";

test("trace ids are 32 and span ids 16 lower-case hex digits", () => {
  expect(newTraceId()).toMatch(/^[0-9a-f]{32}$/);
  expect(newSpanId()).toMatch(/^[0-9a-f]{16}$/);
});

test("ids do not repeat when the pool of random bytes is refilled", () => {
  const ids = new Set<string>();
  for (let count = 0; count < 2000; count++) {
    ids.add(newSpanId());
    ids.add(newTraceId());
  }
  expect(ids.size).toBe(4000);
});

test("every digit of an id varies", () => {
  const seen = Array.from({ length: 16 }, () => new Set<string>());
  for (let count = 0; count < 1000; count++) {
    for (const [index, digit] of [...newSpanId()].entries()) seen[index]?.add(digit);
  }
  expect(seen.map((digits) => digits.size)).toEqual(Array.from({ length: 16 }, () => 16));
});
