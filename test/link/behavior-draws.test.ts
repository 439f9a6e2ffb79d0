import { describe, expect, test } from "bun:test";
import { randomSource } from "../../src/lib/random.ts";
import { prepareDraws, slownessAt } from "../../src/link/behavior-draws.ts";
import {
  type Behavior,
  type Distribution,
  type ErrorRule,
  type Latency,
  PLAIN_BEHAVIOUR,
} from "../../src/topology/model.ts";

/** A generator with a fixed algorithm (mulberry32), so that the test draws the same numbers on every machine. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

function quantilesOf(latency: Latency): (q: number) => number {
  const { drawLatencyMs } = prepareDraws({ ...PLAIN_BEHAVIOUR, latency }, () => seeded(1));
  const drawn = Array.from({ length: 40_000 }, () => drawLatencyMs?.() ?? -1).sort((a, b) => a - b);
  return (q) => drawn[Math.floor(q * drawn.length)] ?? 0;
}

test("the prepared draws of an empty behavior are null", () => {
  const runner = prepareDraws(PLAIN_BEHAVIOUR, () => Math.random);
  expect(runner.isPlain).toBe(true);
  expect([runner.drawLatencyMs, runner.drawCpuMs, runner.drawFault, runner.drawResponseBytes]).toEqual([
    null,
    null,
    null,
    null,
  ]);
});

describe("latency", () => {
  test("that is fixed is always the same", () => {
    const quantile = quantilesOf({ kind: "fixed", value: 7, probability: 1 });
    expect([quantile(0), quantile(0.5), quantile(0.999)]).toEqual([7, 7, 7]);
  });

  test.each([
    { p50: 2, p90: 8, p99: 40 },
    { p50: 5, p90: null, p99: 80 },
    { p50: 5, p90: 20, p99: null },
    { p50: 1, p90: 1.01, p99: 500 },
  ])("%j passes through its quantiles", ({ p50, p90, p99 }) => {
    const quantile = quantilesOf({ kind: "quantiles", p50, p90, p99, probability: 1 });
    const near = (q: number, ms: number | null) => {
      if (ms !== null) expect(quantile(q)).toBeWithin(ms * 0.9, ms * 1.1);
    };
    near(0.5, p50);
    near(0.9, p90);
    near(0.99, p99);
    expect(quantile(0)).toBeGreaterThan(0);
  });

  test("with only a median is always the median", () => {
    const quantile = quantilesOf({ kind: "quantiles", p50: 3, p90: null, p99: null, probability: 1 });
    expect(quantile(0.01)).toBeCloseTo(3);
    expect(quantile(0.99)).toBeCloseTo(3);
  });
});

describe("distributions have the given mean and deviation", () => {
  test.each([
    [{ kind: "uniform", min: 2, max: 8 }, 5, Math.sqrt(36 / 12)],
    [{ kind: "normal", mean: 20, deviation: 3 }, 20, 3],
    [{ kind: "lognormal", mean: 10, deviation: 5 }, 10, 5],
    [{ kind: "exponential", mean: 4 }, 4, 4],
  ] as [Distribution, number, number][])("%j", (distribution, mean, deviation) => {
    const latency = { ...distribution, probability: 1 };
    const { drawLatencyMs } = prepareDraws({ ...PLAIN_BEHAVIOUR, latency }, () => seeded(3));
    const drawn = Array.from({ length: 100_000 }, () => drawLatencyMs?.() ?? -1);
    const found = drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length;
    const variance = drawn.reduce((sum, ms) => sum + (ms - found) ** 2, 0) / drawn.length;
    expect(found).toBeWithin(mean * 0.98, mean * 1.02);
    expect(Math.sqrt(variance)).toBeWithin(deviation * 0.95, deviation * 1.05);
    expect(Math.min(...drawn.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
  });

  test("with a probability do not apply to other requests", () => {
    const latency = { kind: "fixed", value: 9, probability: 0.25 } as const;
    const { drawLatencyMs } = prepareDraws({ ...PLAIN_BEHAVIOUR, latency }, () => seeded(4));
    const drawn = Array.from({ length: 10_000 }, () => drawLatencyMs?.());
    expect(drawn.filter((ms) => ms === 9).length).toBeWithin(2350, 2650);
    expect(drawn.every((ms) => ms === 0 || ms === 9)).toBe(true);
  });
});

test("failures of each kind occur at their rate, at most one per request", () => {
  const errors: ErrorRule[] = [
    { kind: "status", rate: 0.2, status: 503, after: null },
    { kind: "reset", rate: 0.1, after: null },
    { kind: "silence", rate: 0.05, after: { kind: "fixed", value: 7 } },
  ];
  const { drawFault } = prepareDraws({ ...PLAIN_BEHAVIOUR, errors }, () => seeded(2));
  const drawn = Array.from({ length: 20_000 }, () => drawFault?.() ?? null);
  const share = (kind: string | undefined) =>
    drawn.filter((prepared) => prepared?.fault.kind === kind).length / drawn.length;
  expect(share("status")).toBeWithin(0.19, 0.21);
  expect(share("reset")).toBeWithin(0.09, 0.11);
  expect(share("silence")).toBeWithin(0.045, 0.055);
  expect(share(undefined)).toBeWithin(0.63, 0.67);
  const silent = drawn.find((prepared) => prepared?.fault.kind === "silence");
  expect(silent?.drawAfterMs?.()).toBe(7);
});

test("no request is served if the rates add up to 1", () => {
  const errors: ErrorRule[] = [
    { kind: "status", rate: 0.7, status: 500, after: null },
    { kind: "reset", rate: 0.3, after: null },
  ];
  const { drawFault } = prepareDraws({ ...PLAIN_BEHAVIOUR, errors }, () => () => 0.9999);
  expect(drawFault?.()?.fault.kind).toBe("reset");
});

describe("with the same seed a part of a behavior draws the same", () => {
  const full: Behavior = {
    ...PLAIN_BEHAVIOUR,
    latency: { kind: "exponential", mean: 5, probability: 0.5 },
    cpu: { kind: "uniform", min: 0, max: 1, probability: 0.5 },
    errors: [{ kind: "reset", rate: 0.3, after: { kind: "normal", mean: 5, deviation: 2 } }],
    response: { kind: "lognormal", mean: 1000, deviation: 300 },
  };
  const drawAll = (behavior: Behavior) => {
    const source = randomSource("seed");
    const runner = prepareDraws(behavior, (part) => source(`a/${part}`));
    return {
      latency: Array.from({ length: 50 }, () => runner.drawLatencyMs?.()),
      cpu: Array.from({ length: 50 }, () => runner.drawCpuMs?.()),
      errors: Array.from({ length: 50 }, () => {
        const fault = runner.drawFault?.() ?? null;
        return fault === null ? null : fault.drawAfterMs?.();
      }),
      response: Array.from({ length: 50 }, () => runner.drawResponseBytes?.()),
    };
  };

  test.each(["latency", "cpu", "errors", "response"] as const)("%s, whatever its other parts are", (part) => {
    const alone = drawAll({ ...PLAIN_BEHAVIOUR, [part]: full[part] });
    expect(alone[part]).toEqual(drawAll(full)[part]);
    expect(new Set(alone[part]).size).toBeGreaterThan(5);
  });
});

test("a slow start falls linearly", () => {
  const slowStart = { durationMs: 1000, factor: 11 };
  expect([-5, 0, 250, 500, 999.9999, 1000, 5000].map((ms) => Math.round(slownessAt(ms, slowStart)))).toEqual([
    11, 11, 9, 6, 1, 1, 1,
  ]);
});
