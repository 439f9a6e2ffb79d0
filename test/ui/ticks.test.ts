import { describe, expect, test } from "bun:test";
import { formatDuration } from "../../ui/format.ts";
import { roundTicks } from "../../ui/trace/ticks.ts";

const HOUR = 3_600_000_000;
const YEAR = 365.25 * 24 * HOUR;

describe("a duration", () => {
  test.each([
    [0, "0 µs"],
    [1_234, "1.23 ms"],
    [119_000_000, "119 s"],
    [120_000_000, "2.0 min"],
    [90 * 60_000_000, "90.0 min"],
    [2 * HOUR, "2.0 h"],
    [47 * HOUR, "47.0 h"],
    [48 * HOUR, "2.0 days"],
    [400 * 24 * HOUR, "400 days"],
    [2 * YEAR, "2.0 years"],
    [2000 * YEAR, "2,000 years"],
    [2 ** 63, "292,271 years"],
    [-3_000_000, "-3.00 s"],
  ])("of %d µs is shown as %s", (micros, text) => expect(formatDuration(micros)).toBe(text));
});

describe("ticks of a time axis", () => {
  const textsOf = (to: number) => roundTicks(0, to, 5).map(formatDuration);

  test("are round numbers in the unit of their labels", () => {
    expect(textsOf(90_000)).toEqual(["0 µs", "20.0 ms", "40.0 ms", "60.0 ms", "80.0 ms"]);
    expect(textsOf(600_000_000)).toEqual(["0 µs", "2.0 min", "4.0 min", "6.0 min", "8.0 min", "10.0 min"]);
    expect(textsOf(10 * HOUR)).toEqual(["0 µs", "2.0 h", "4.0 h", "6.0 h", "8.0 h", "10.0 h"]);
    expect(textsOf(2000 * YEAR)).toEqual(["0 µs", "500 years", "1,000 years", "1,500 years", "2,000 years"]);
  });

  test("lie within their range, even if it does not begin at 0", () => {
    const ticks = roundTicks(1.7 * YEAR, 9.2 * YEAR, 5).map((tick) => tick / YEAR);
    expect(ticks).toEqual([2, 4, 6, 8]);
    expect(roundTicks(5, 5, 5)).toEqual([5]);
  });
});
