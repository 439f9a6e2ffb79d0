import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { randomSource } from "../../src/lib/random.ts";
import { constantRate, placeAt, type Rate, Schedule } from "../../src/load/schedule.ts";

function take(schedule: Schedule, count: number): number[] {
  return Array.from({ length: count }, () => {
    const { dueMs } = schedule;
    schedule.advance();
    return dueMs;
  });
}

test("a constant rate is even, begins at once, and does not drift", () => {
  expect(take(new Schedule(constantRate(200)), 4)).toEqual([0, 5, 10, 15]);
  expect(take(new Schedule(constantRate(3)), 3_000_001).at(-1)).toBe(1_000_000_000);
});

test("an interval may be longer than any timer", () => {
  expect(take(new Schedule(constantRate(1 / 3600)), 3)[2]).toBeCloseTo(7_200_000, 3);
});

test("a request at a rate of 0 is never due", () => {
  expect(new Schedule(constantRate(0)).dueMs).toBe(Number.POSITIVE_INFINITY);
  const end = take(new Schedule({ fromPerSecond: 10, toPerSecond: 0, rampMs: 1000 }), 7);
  expect(end.slice(0, 5).every((ms) => ms < 1000)).toBe(true);
  expect(end.at(-1)).toBe(Number.POSITIVE_INFINITY);
});

test("a ramp begins with its first rate, ends with its last, and then stays at that", () => {
  const times = take(new Schedule({ fromPerSecond: 100, toPerSecond: 1000, rampMs: 10_000 }), 7000);
  const between = (fromMs: number, toMs: number) => times.filter((ms) => ms >= fromMs && ms < toMs).length;
  expect(between(0, 1000)).toBe(145);
  expect(between(9000, 10_000)).toBe(955);
  expect(between(0, 10_000)).toBe(5500);
  expect(between(10_000, 11_000)).toBe(1000);
});

const RATE: fc.Arbitrary<Rate> = fc.record({
  fromPerSecond: fc.double({ min: 0, max: 1e5, noNaN: true }),
  toPerSecond: fc.double({ min: 0.001, max: 1e5, noNaN: true }),
  rampMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 1e7 })),
});

test("each request is due when the rate has begun as many before it", () => {
  fc.assert(
    fc.property(RATE, fc.integer({ min: 1, max: 300 }), (rate, count) => {
      const times = take(new Schedule(rate), count);
      for (const [place, ms] of times.entries()) {
        expect(placeAt(rate, ms)).toBeCloseTo(place, 4);
        expect(ms).toBeGreaterThanOrEqual(times[place - 1] ?? 0);
      }
    }),
  );
});

test("what is due before a moment is counted as it would be taken", () => {
  fc.assert(
    fc.property(
      RATE,
      fc.integer({ min: 0, max: 50 }),
      fc.integer({ min: 0, max: 20 }),
      (rate, some, skip) => {
        const endMs = take(new Schedule(rate), some + 1).at(-1) ?? 0;
        const schedule = new Schedule(rate);
        const left = take(schedule, skip).length;
        // Half a request further, so that no rounding decides.
        const between = (endMs + (take(new Schedule(rate), some + 2).at(-1) ?? 0)) / 2;
        expect(schedule.countDueBefore(between)).toBe(Math.max(0, some + 1 - left));
      },
    ),
  );
});

describe("Poisson arrivals", () => {
  const poisson = (seed: string, perSecond: number, count: number) =>
    take(new Schedule(constantRate(perSecond), randomSource(seed)("arrivals")), count);

  test("have the mean of the rate, and gaps as an exponential distribution has them", () => {
    const times = poisson("a", 1000, 100_000);
    expect((times.at(-1) ?? 0) / 100_000).toBeWithin(0.98, 1.02);
    const gaps = times.slice(1).map((ms, i) => ms - (times[i] ?? 0));
    // e^-1 of all are longer than the mean, e^-3 longer than three times that.
    expect(gaps.filter((gap) => gap > 1).length / gaps.length).toBeWithin(0.36, 0.376);
    expect(gaps.filter((gap) => gap > 3).length / gaps.length).toBeWithin(0.046, 0.054);
  });

  test("are the same for the same seed", () => {
    expect(poisson("a", 50, 100)).toEqual(poisson("a", 50, 100));
    expect(poisson("a", 50, 100)).not.toEqual(poisson("b", 50, 100));
  });

  test("follow a ramp", () => {
    const rate = { fromPerSecond: 0, toPerSecond: 10_000, rampMs: 10_000 };
    const times = take(new Schedule(rate, randomSource("a")("arrivals")), 50_000);
    expect(times.filter((ms) => ms < 5000).length).toBeWithin(12_000, 13_000);
  });
});
