import { expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../src/lib/duration.ts";

test.each([
  ["0", 0],
  ["300us", 0.3],
  ["2ms", 2],
  ["1.5s", 1500],
  ["1h30m", 5_400_000],
  ["10µs", 0.01],
])("%s is %d ms", (text, ms) => {
  expect(parseDuration(text)).toBeCloseTo(ms, 9);
});

test.each(["", "5", "ms", "-1s", "1 s", "1S", "1e3ms", ".5s", "1d"])("%j is not a duration", (text) => {
  expect(parseDuration(text)).toBeUndefined();
});

test("a formatted duration is read back", () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 1e10 }), (micros) => {
      expect(parseDuration(formatDuration(micros / 1000))).toBeCloseTo(micros / 1000, 3);
    }),
  );
});
