import assert from "node:assert/strict";

/** Result of wrk. */
export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Runs a closed loop on one thread. Any failed request is an error. */
export async function runWrk(
  url: string,
  connections: number,
  seconds: number,
  more: readonly string[] = [],
): Promise<WrkResult> {
  const command = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--latency", ...more, url];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  const text = await child.stdout.text();
  assert.equal(await child.exited, 0);
  assert.doesNotMatch(text, /Non-2xx|Socket errors/, url);
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  assert.ok(requests > 0, text);
  return {
    requests,
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50Ms: readLatency(text, "50%"),
    p99Ms: readLatency(text, "99%"),
  };
}

function readLatency(text: string, quantile: string): number {
  const [, value, unit] = new RegExp(`^\\s+${quantile}\\s+([\\d.]+)(us|ms|s)$`, "m").exec(text) ?? [];
  return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit ?? ""] ?? Number.NaN);
}
