import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatPercentage, parsePercentage } from "../../src/lib/percentage.ts";

test.each([
  ["0%", 0],
  ["0.5%", 0.005],
  ["20%", 0.2],
  ["100%", 1],
])("%s is %d", (text, fraction) => {
  expect(parsePercentage(text)).toBeCloseTo(fraction, 12);
});

test.each(["", "5", "101%", "-1%", "100.1%", "%"])("%j is not a percentage", (text) => {
  expect(parsePercentage(text)).toBeUndefined();
});

test("a formatted percentage is read back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1_000_000 }), (millionths) => {
      expect(parsePercentage(formatPercentage(millionths / 1e6))).toBeCloseTo(millionths / 1e6, 8);
    }),
  );
});
