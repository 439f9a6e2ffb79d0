import type { Behavior, Distribution, Latency } from "./model.ts";

/** What a service does with a request besides calling others, in lines for people; none for a plain one. */
export function describeBehavior(behavior: Behavior): string[] {
  const { latency, cpu, errors, response, concurrency, rateLimit, startupMs, slow } = behavior;
  const lines: string[] = [];
  if (latency !== null) lines.push(`waits ${describeTime(latency)}`);
  if (cpu !== null) lines.push(`works ${describeTime(cpu)}`);
  for (const fault of errors) {
    const how =
      fault.kind === "status"
        ? `answers ${fault.status}`
        : fault.kind === "reset"
          ? "resets"
          : "never answers";
    lines.push(`${how} in ${percent(fault.rate)}`);
  }
  if (response !== null) lines.push(`answers with ${describeDistribution(response, "bytes")}`);
  if (concurrency !== null) lines.push(`serves ${concurrency.limit} at a time`);
  if (rateLimit !== null) lines.push(`takes ${rateLimit.perSecond} a second`);
  if (startupMs > 0) lines.push(`needs ${startupMs} ms to start`);
  if (slow !== null) lines.push(`waits ${slow.delayMs} ms in ${percent(slow.probability)}`);
  return lines;
}

function describeTime(latency: Latency): string {
  const text = describeDistribution(latency, "ms");
  return latency.probability < 1 ? `${text} in ${percent(latency.probability)}` : text;
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

function percent(share: number): string {
  return `${Math.round(share * 1000) / 10} %`;
}
