import { drawNormal, type Random } from "../lib/random.ts";
import type { Behaviour, Distribution, Latency } from "../topology/model.ts";

/** A behaviour made ready to run: what is not used is `null` and costs nothing. */
export interface BehaviourRunner {
  /** Nothing is to be done but the calls. */
  readonly isPlain: boolean;
  /** Milliseconds to wait before the calls are made. */
  readonly drawLatencyMs: (() => number) | null;
  /** The status to answer with instead of serving, or `null` to serve. */
  readonly drawError: (() => number | null) | null;
  /** Keeps the processor busy. */
  readonly burn: (() => void) | null;
  readonly responseBytes: number;
  readonly slow: Behaviour["slow"];
}

export function prepareBehaviour(behaviour: Behaviour, random: Random): BehaviourRunner {
  const { latency, errors, cpuMs } = behaviour;
  return {
    isPlain: latency === null && errors === null && cpuMs === 0 && behaviour.slow === null,
    drawLatencyMs: latency === null ? null : latencySampler(latency, random),
    drawError: errors === null ? null : () => (random() < errors.rate ? errors.status : null),
    burn: cpuMs === 0 ? null : () => burnFor(cpuMs),
    responseBytes: behaviour.responseBytes,
    slow: behaviour.slow,
  };
}

/** Standard normal scores of the quantiles that a latency may give. */
const Z_P90 = 1.2815515655446004;
const Z_P99 = 2.3263478740408408;

function latencySampler(latency: Latency, random: Random): () => number {
  const draw = distributionSampler(latency, random);
  const { probability } = latency;
  return probability >= 1 ? draw : () => (random() < probability ? draw() : 0);
}

function distributionSampler(distribution: Distribution, random: Random): () => number {
  switch (distribution.kind) {
    case "fixed":
      return () => distribution.ms;
    case "uniform": {
      const { minMs, maxMs } = distribution;
      return () => minMs + random() * (maxMs - minMs);
    }
    case "normal": {
      const { meanMs, deviationMs } = distribution;
      return () => Math.max(0, meanMs + deviationMs * drawNormal(random));
    }
    case "lognormal":
      return lognormalSampler(distribution, random);
    case "exponential":
      return () => -distribution.meanMs * Math.log(1 - random());
    case "quantiles":
      return quantileSampler(distribution, random);
  }
}

/** https://en.wikipedia.org/wiki/Log-normal_distribution#Arithmetic_moments, solved for the normal's parameters. */
function lognormalSampler(
  { meanMs, deviationMs }: Extract<Distribution, { kind: "lognormal" }>,
  random: Random,
): () => number {
  if (meanMs === 0) return () => 0;
  const variance = Math.log(1 + (deviationMs / meanMs) ** 2);
  const mu = Math.log(meanMs) - variance / 2;
  const sigma = Math.sqrt(variance);
  return () => Math.exp(mu + sigma * drawNormal(random));
}

function quantileSampler(
  { p50Ms, p90Ms, p99Ms }: Extract<Distribution, { kind: "quantiles" }>,
  random: Random,
): () => number {
  const knots = [{ z: 0, ms: p50Ms }];
  if (p90Ms !== null) knots.push({ z: Z_P90, ms: p90Ms });
  if (p99Ms !== null) knots.push({ z: Z_P99, ms: p99Ms });
  const points = knots.map(({ z, ms }) => ({ z, log: Math.log(Math.max(ms, 1e-3)) }));
  return () => Math.exp(interpolate(points, drawNormal(random)));
}

/** The line through the two points around `z`; beyond the ends, the line of the outermost two. */
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

function burnFor(ms: number): void {
  const end = performance.now() + ms;
  while (performance.now() < end);
}
