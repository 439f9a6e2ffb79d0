import { formatSize } from "../lib/size.ts";
import type { Behavior, Distribution, ErrorRule, Latency } from "./model.ts";

/** What a service does with a request besides calling others, as lines for people; none for a plain service. */
export function describeBehavior(behavior: Behavior): string[] {
  const { latency, cpu, errors, response, memory, ...others } = behavior;
  const { concurrency, rateLimit, startupMs, slowStart, slow, ...rest } = others;
  // A new key of the behavior does not compile until it is described here.
  rest satisfies Record<string, never>;
  const lines: string[] = [];
  if (latency !== null) lines.push(`waits ${describeTime(latency)}`);
  if (cpu !== null) lines.push(`uses the CPU for ${describeTime(cpu)}`);
  lines.push(...errors.map(describeError));
  if (response !== null) lines.push(`answers with ${describeDistribution(response, "bytes")}`);
  if (memory.heldBytes > 0) lines.push(`holds ${formatSize(memory.heldBytes)} of memory`);
  if (memory.requestBytes > 0) lines.push(`holds ${formatSize(memory.requestBytes)} of memory per request`);
  if (concurrency !== null) lines.push(`serves at most ${concurrency.limit} requests concurrently`);
  if (rateLimit !== null) lines.push(`admits at most ${rateLimit.perSecond} requests per second`);
  if (startupMs > 0) lines.push(`needs ${startupMs} ms to start`);
  if (slowStart !== null)
    lines.push(`starts ${slowStart.factor} times slower, at full speed after ${slowStart.durationMs} ms`);
  if (slow !== null) lines.push(`waits ${slow.delayMs} ms for ${share(slow.probability)}`);
  return lines;
}

function describeError(error: ErrorRule): string {
  switch (error.kind) {
    case "status":
      return `answers ${share(error.rate)} with ${error.status}`;
    case "reset":
      return `resets the connection of ${share(error.rate)}`;
    case "silence":
      return `never answers ${share(error.rate)}`;
  }
}

function describeTime(latency: Latency): string {
  const text = describeDistribution(latency, "ms");
  return latency.probability < 1 ? `${text} for ${share(latency.probability)}` : text;
}

function describeDistribution(distribution: Distribution, unit: string): string {
  switch (distribution.kind) {
    case "fixed":
      return `${distribution.value} ${unit}`;
    case "uniform":
      return `${distribution.min} to ${distribution.max} ${unit}`;
    case "normal":
    case "lognormal":
      return `${distribution.mean} ± ${distribution.deviation} ${unit} (${distribution.kind})`;
    case "exponential":
      return `${distribution.mean} ${unit} on average (exponential)`;
    case "quantiles": {
      const { p50, p90, p99 } = distribution;
      const more = [p90 === null ? "" : `, p90 ${p90} ${unit}`, p99 === null ? "" : `, p99 ${p99} ${unit}`];
      return `p50 ${p50} ${unit}${more.join("")}`;
    }
  }
}

function share(fraction: number): string {
  return `${Math.round(fraction * 1000) / 10} % of requests`;
}
