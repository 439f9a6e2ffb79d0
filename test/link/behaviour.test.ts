import { describe, expect, test } from "bun:test";
import { prepareBehaviour } from "../../src/link/behaviour.ts";
import { type Distribution, type Latency, PLAIN_BEHAVIOUR } from "../../src/topology/model.ts";

/** A generator of its own, so that the test draws the same numbers everywhere (mulberry32). */
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
  const { drawLatencyMs } = prepareBehaviour({ ...PLAIN_BEHAVIOUR, latency }, seeded(1));
  const drawn = Array.from({ length: 40_000 }, () => drawLatencyMs?.() ?? -1).sort((a, b) => a - b);
  return (q) => drawn[Math.floor(q * drawn.length)] ?? 0;
}

test("what a behaviour does not have costs nothing", () => {
  const runner = prepareBehaviour(PLAIN_BEHAVIOUR, Math.random);
  expect(runner).toEqual({
    isPlain: true,
    drawLatencyMs: null,
    drawError: null,
    burn: null,
    responseBytes: 0,
    slow: null,
  });
});

describe("latency", () => {
  test("fixed is always the same", () => {
    const quantile = quantilesOf({ kind: "fixed", ms: 7, probability: 1 });
    expect([quantile(0), quantile(0.5), quantile(0.999)]).toEqual([7, 7, 7]);
  });

  test.each([
    { p50Ms: 2, p90Ms: 8, p99Ms: 40 },
    { p50Ms: 5, p90Ms: null, p99Ms: 80 },
    { p50Ms: 5, p90Ms: 20, p99Ms: null },
    { p50Ms: 1, p90Ms: 1.01, p99Ms: 500 },
  ])("%j passes through its quantiles", ({ p50Ms, p90Ms, p99Ms }) => {
    const quantile = quantilesOf({ kind: "quantiles", p50Ms, p90Ms, p99Ms, probability: 1 });
    const near = (q: number, ms: number | null) => {
      if (ms !== null) expect(quantile(q)).toBeWithin(ms * 0.9, ms * 1.1);
    };
    near(0.5, p50Ms);
    near(0.9, p90Ms);
    near(0.99, p99Ms);
    expect(quantile(0)).toBeGreaterThan(0);
  });

  test("with a median alone it is the median", () => {
    const quantile = quantilesOf({ kind: "quantiles", p50Ms: 3, p90Ms: null, p99Ms: null, probability: 1 });
    expect(quantile(0.01)).toBeCloseTo(3);
    expect(quantile(0.99)).toBeCloseTo(3);
  });
});

describe("distributions have the mean and the deviation that they were given", () => {
  test.each([
    [{ kind: "uniform", minMs: 2, maxMs: 8 }, 5, Math.sqrt(36 / 12)],
    [{ kind: "normal", meanMs: 20, deviationMs: 3 }, 20, 3],
    [{ kind: "lognormal", meanMs: 10, deviationMs: 5 }, 10, 5],
    [{ kind: "exponential", meanMs: 4 }, 4, 4],
  ] as [Distribution, number, number][])("%j", (distribution, mean, deviation) => {
    const latency = { ...distribution, probability: 1 };
    const { drawLatencyMs } = prepareBehaviour({ ...PLAIN_BEHAVIOUR, latency }, seeded(3));
    const drawn = Array.from({ length: 100_000 }, () => drawLatencyMs?.() ?? -1);
    const found = drawn.reduce((sum, ms) => sum + ms, 0) / drawn.length;
    const variance = drawn.reduce((sum, ms) => sum + (ms - found) ** 2, 0) / drawn.length;
    expect(found).toBeWithin(mean * 0.98, mean * 1.02);
    expect(Math.sqrt(variance)).toBeWithin(deviation * 0.95, deviation * 1.05);
    expect(Math.min(...drawn.slice(0, 10_000))).toBeGreaterThanOrEqual(0);
  });

  test("with a probability the others do not wait", () => {
    const latency = { kind: "fixed", ms: 9, probability: 0.25 } as const;
    const { drawLatencyMs } = prepareBehaviour({ ...PLAIN_BEHAVIOUR, latency }, seeded(4));
    const drawn = Array.from({ length: 10_000 }, () => drawLatencyMs?.());
    expect(drawn.filter((ms) => ms === 9).length).toBeWithin(2350, 2650);
    expect(drawn.every((ms) => ms === 0 || ms === 9)).toBe(true);
  });
});

test("errors come at their rate, with their status", () => {
  const errors = { rate: 0.2, status: 503 };
  const { drawError } = prepareBehaviour({ ...PLAIN_BEHAVIOUR, errors }, seeded(2));
  const drawn = Array.from({ length: 10_000 }, () => drawError?.());
  expect(drawn.filter((status) => status === 503).length).toBeWithin(1850, 2150);
  expect(new Set(drawn)).toEqual(new Set([503, null]));
});

test("processor time is spent", () => {
  const { burn } = prepareBehaviour({ ...PLAIN_BEHAVIOUR, cpuMs: 20 }, Math.random);
  const before = process.cpuUsage();
  burn?.();
  const used = process.cpuUsage(before);
  expect((used.user + used.system) / 1000).toBeGreaterThan(5);
});
