import { joinLines } from "../../lib/visible-text.ts";
import type { Load } from "../../load/generator.ts";
import { describeFailures, type Latencies, type LoadSummary } from "../common/load-summary.ts";

/** With more lag than this, the load generator itself distorts the measurement. */
const NOTABLE_LAG_MS = 2;

/** Renders the results of a load for people, with warnings in words. */
export function renderReport(summary: LoadSummary, { runId, options }: Load): string {
  const { requests, seconds, succeeded, latencyMs, succeededLatencyMs, failed } = summary;
  const lines = [
    `run        ${runId}`,
    `target     ${options.url}`,
    `requests   ${requests} in ${seconds} s, ${describePace(summary)}`,
    `answers    ${succeeded} succeeded, ${describeFailures(summary)}`,
    `latency    ${describeLatencies(latencyMs)}`,
  ];
  if (failed > 0 && succeeded > 0) lines.push(`succeeded  ${describeLatencies(succeededLatencyMs)}`);
  if (summary.warmUpRequests > 0) lines.push(`warm-up    ${summary.warmUpRequests} requests, not counted`);
  return joinLines([...lines, ...describeDoubts(summary, options.connections)]);
}

function describePace({ requestsPerSecond, maxInFlight }: LoadSummary): string {
  return `${requestsPerSecond}/s, at most ${maxInFlight} in flight`;
}

function describeLatencies({ p50, p90, p99, p999, max }: Latencies): string {
  return `p50 ${p50} ms  p90 ${p90} ms  p99 ${p99} ms  p99.9 ${p999} ms  max ${max} ms`;
}

/** Explains what makes the results differ from what was requested. */
export function describeDoubts(summary: LoadSummary, connections: number): string[] {
  const { missed, delayed, brokenContexts, repeated, sendLagMs, isRateReached } = summary;
  const lines: string[] = [];
  if (isRateReached === false) {
    const what =
      missed > 0
        ? `${missed} requests were due but never sent`
        : `requests were sent too late, half of them by ${sendLagMs.p50} ms or more`;
    lines.push(`the rate was not reached: ${what}`);
  }
  if (delayed > 0) {
    lines.push(
      `${delayed} requests waited for one of ${connections} connections; their latency counts from when they were due`,
    );
  } else if (sendLagMs.p99 > NOTABLE_LAG_MS) {
    const { p50, p99 } = sendLagMs;
    lines.push(
      `this machine is busy: requests were sent ${p50} ms (p50), ${p99} ms (p99) after they were due`,
    );
  }
  if (brokenContexts > 0) {
    lines.push(`${brokenContexts} responses name a different trace than the request: trace context was lost`);
  }
  if (repeated > 0)
    lines.push(`${repeated} requests were sent twice because a kept-alive connection had been closed`);
  return lines;
}
