import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatDuration, parseDuration } from "../../src/lib/duration.ts";
import { formatPercentage, parsePercentage } from "../../src/lib/percentage.ts";
import { parseSize } from "../../src/lib/size.ts";

describe("durations", () => {
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

  test.each(["", "5", "ms", "-1s", "1 s", "1S", "1e3ms", ".5s", "1d"])("%p is not a duration", (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  test("a formatted duration is read back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1e10 }), (micros) => {
        expect(parseDuration(formatDuration(micros / 1000))).toBeCloseTo(micros / 1000, 3);
      }),
    );
  });
});

describe("sizes", () => {
  test.each([
    ["0", 0],
    ["512", 512],
    ["512B", 512],
    ["4KiB", 4096],
    ["4Ki", 4096],
    ["2k", 2000],
    ["1.5MB", 1_500_000],
    ["1Gi", 2 ** 30],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text)).toBe(bytes);
  });

  test.each(["", "-1", "4 KiB", "4kib", "KiB", "1e3", "4TB"])("%p is not a size", (text) => {
    expect(parseSize(text)).toBeUndefined();
  });
});

describe("percentages", () => {
  test.each([
    ["0%", 0],
    ["0.5%", 0.005],
    ["20%", 0.2],
    ["100%", 1],
  ])("%s is %d", (text, fraction) => {
    expect(parsePercentage(text)).toBeCloseTo(fraction, 12);
  });

  test.each(["", "5", "101%", "-1%", "100.1%", "%"])("%p is not a percentage", (text) => {
    expect(parsePercentage(text)).toBeUndefined();
  });

  test("a formatted percentage is read back", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_000_000 }), (millionths) => {
        expect(parsePercentage(formatPercentage(millionths / 1e6))).toBeCloseTo(millionths / 1e6, 8);
      }),
    );
  });
});
