import { drawNormal, type Random } from "../lib/random.ts";
import type { Distribution, Latency } from "../topology/model.ts";

/** Standard normal scores of the quantiles that a distribution may specify. */
const Z_P90 = 1.2815515655446004;
const Z_P99 = 2.3263478740408408;

/** Returns a function that draws from a distribution, never below 0. */
export function prepareDraw(distribution: Distribution, random: Random): () => number {
  switch (distribution.kind) {
    case "fixed":
      return () => distribution.value;
    case "uniform": {
      const { min, max } = distribution;
      return () => min + random() * (max - min);
    }
    case "normal": {
      const { mean, deviation } = distribution;
      return () => Math.max(0, mean + deviation * drawNormal(random));
    }
    case "lognormal":
      return prepareLognormal(distribution, random);
    case "exponential":
      return () => -distribution.mean * Math.log(1 - random());
    case "quantiles":
      return prepareQuantiles(distribution, random);
  }
}

/** Like {@link prepareDraw}, but draws 0 for requests to which the time does not apply. */
export function prepareOccasionalDraw(latency: Latency, random: Random): () => number {
  const draw = prepareDraw(latency, random);
  const { probability } = latency;
  return probability >= 1 ? draw : () => (random() < probability ? draw() : 0);
}

/** https://en.wikipedia.org/wiki/Log-normal_distribution#Arithmetic_moments, solved for the normal's parameters. */
function prepareLognormal(
  { mean, deviation }: Extract<Distribution, { kind: "lognormal" }>,
  random: Random,
): () => number {
  if (mean === 0) return () => 0;
  const variance = Math.log(1 + (deviation / mean) ** 2);
  const mu = Math.log(mean) - variance / 2;
  const sigma = Math.sqrt(variance);
  return () => Math.exp(mu + sigma * drawNormal(random));
}

function prepareQuantiles(
  { p50, p90, p99 }: Extract<Distribution, { kind: "quantiles" }>,
  random: Random,
): () => number {
  const knots = [{ z: 0, value: p50 }];
  if (p90 !== null) knots.push({ z: Z_P90, value: p90 });
  if (p99 !== null) knots.push({ z: Z_P99, value: p99 });
  const points = knots.map(({ z, value }) => ({ z, log: Math.log(Math.max(value, 1e-3)) }));
  return () => Math.exp(interpolate(points, drawNormal(random)));
}

/** Interpolates linearly between the two points around `z`; beyond the ends, extrapolates from the outermost two. */
function interpolate(points: readonly { z: number; log: number }[], z: number): number {
  const [first] = points;
  if (first === undefined) return 0;
  let left = first;
  let right = points[1];
  for (const next of points.slice(2)) {
    if (right === undefined || z <= right.z) break;
    left = right;
    right = next;
  }
  if (right === undefined) return first.log;
  return left.log + ((z - left.z) / (right.z - left.z)) * (right.log - left.log);
}
