import { expect, test } from "bun:test";
import fc from "fast-check";
import { Histogram, THREE_DIGITS } from "../../src/lib/histogram.ts";

test("every figure of an empty histogram is 0", () => {
  expect(new Histogram().quantile(0.5)).toBe(0);
});

test("every quantile is within 6 % of the sorted values' own", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 30 - 1 }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (values, q) => {
        const histogram = new Histogram();
        for (const value of values) histogram.record(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? 0;
        expect(Math.abs(histogram.quantile(q) - exact)).toBeLessThanOrEqual(exact / 16 + 0.5);
        expect(histogram.count).toBe(values.length);
        expect(histogram.sum).toBe(values.reduce((sum, value) => sum + value, 0));
      },
    ),
  );
});

test("the count up to a bound grows with the bound and ends at the total", () => {
  const histogram = new Histogram();
  for (let value = 0; value < 5000; value += 7) histogram.record(value);
  let last = 0;
  for (let bound = 0; bound <= 8192; bound += 64) {
    const count = histogram.countUpTo(bound);
    expect(count).toBeGreaterThanOrEqual(last);
    last = count;
  }
  expect(last).toBe(histogram.count);
});

test("a value beyond the range is counted, not lost", () => {
  const histogram = new Histogram();
  histogram.record(1e15);
  histogram.record(-5);
  expect(histogram.count).toBe(2);
  expect(histogram.quantile(1)).toBeGreaterThan(2 ** 30);
});

test("with three digits every quantile is within 0.1 %, and minimum and maximum are exact", () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 0, max: 2 ** 40 }), { minLength: 1, maxLength: 300 }),
      fc.double({ min: 0.01, max: 1, noNaN: true }),
      (values, q) => {
        const histogram = new Histogram(THREE_DIGITS);
        for (const value of values) histogram.record(value);
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.max(1, Math.ceil(q * sorted.length)) - 1] ?? 0;
        expect(Math.abs(histogram.quantile(q) - exact)).toBeLessThanOrEqual(exact / 1000);
        expect(histogram.quantile(1)).toBe(Math.max(...values));
        expect(histogram.min).toBe(Math.min(...values));
        for (const { count, middle, highest } of histogram.buckets()) {
          expect(count).toBeGreaterThan(0);
          expect(middle).toBeLessThanOrEqual(highest);
        }
      },
    ),
  );
});
