import { drawNormal, type Random } from "../lib/random.ts";
import type { Behaviour, Latency } from "../topology/model.ts";

/** A behaviour made ready to run: what is not used is `null` and costs nothing. */
export interface BehaviourRunner {
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
  if (latency.kind === "fixed") return () => latency.ms;
  const knots = [{ z: 0, ms: latency.p50Ms }];
  if (latency.p90Ms !== null) knots.push({ z: Z_P90, ms: latency.p90Ms });
  if (latency.p99Ms !== null) knots.push({ z: Z_P99, ms: latency.p99Ms });
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
