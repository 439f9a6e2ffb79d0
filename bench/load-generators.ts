import assert from "node:assert/strict";
import { EXECUTABLE } from "./process.ts";

/** The result of a load generator, as it reports it and as the system measures it. */
export interface Finished {
  readonly requests: number;
  /** User and system time of the whole process, including its start. */
  readonly cpuSeconds: number;
  readonly perSecond: number;
}

/** Runs a closed loop on a number of connections for a number of seconds. Any failed request is an error. */
export type Generator = (url: string, connections: number, seconds: number) => Promise<Finished>;

/**
 * Returns the installed generators. `oha` and `fortio` are looked up on the PATH; the variable `FORTIO` also names
 * fortio.
 */
export function findGenerators(): ReadonlyMap<string, Generator> {
  const found = new Map<string, Generator>([
    ["wrk", runWrk],
    ["chain-link load", (url, connections, seconds) => runOurs(url, closedFlags(connections, seconds))],
    [
      "chain-link load --ledger",
      (url, connections, seconds) =>
        runOurs(url, [...closedFlags(connections, seconds), "--ledger", "/dev/null"]),
    ],
  ]);
  const oha = Bun.which("oha");
  if (oha !== null) found.set("oha", (...at) => runOha(oha, ...at));
  const fortio = process.env.FORTIO ?? Bun.which("fortio");
  if (fortio !== null) found.set("fortio load", (...at) => runFortio(fortio, ...at));
  return found;
}

/** Output of `chain-link load -o json`. */
export interface Summary {
  readonly requests: number;
  readonly failed: number;
  readonly isRateReached: boolean | null;
  readonly requestsPerSecond: number;
  readonly latencyMs: {
    readonly p50: number;
    readonly p90: number;
    readonly p99: number;
    readonly max: number;
  };
  readonly sendLagMs: { readonly p50: number; readonly p99: number };
}

export async function runJson(args: readonly string[]): Promise<Summary> {
  const child = Bun.spawn([EXECUTABLE, "load", ...args, "-o", "json"], { stdout: "pipe" });
  return JSON.parse(await child.stdout.text());
}

export async function runOurs(url: string, args: readonly string[]): Promise<Finished> {
  const { text, cpuSeconds } = await run([EXECUTABLE, "load", url, ...args, "-o", "json"]);
  const { requests, failed, requestsPerSecond }: Summary = JSON.parse(text);
  assert.equal(failed, 0);
  return { requests, perSecond: requestsPerSecond, cpuSeconds };
}

function closedFlags(connections: number, seconds: number): string[] {
  return ["-c", String(connections), "--duration", `${seconds}s`];
}

async function runWrk(url: string, connections: number, seconds: number): Promise<Finished> {
  const { text, cpuSeconds } = await run(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, url]);
  assert.doesNotMatch(text, /Non-2xx|Socket errors/);
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    cpuSeconds,
  };
}

async function runOha(program: string, url: string, connections: number, seconds: number): Promise<Finished> {
  const { text, cpuSeconds } = await run([
    ...[program, "-z", `${seconds}s`, "-c", String(connections), "--no-tui", "--output-format", "json", url],
  ]);
  const { summary, statusCodeDistribution } = JSON.parse(text);
  assert.deepEqual(Object.keys(statusCodeDistribution), ["200"]);
  return { requests: statusCodeDistribution["200"], perSecond: summary.requestsPerSec, cpuSeconds };
}

async function runFortio(
  program: string,
  url: string,
  connections: number,
  seconds: number,
): Promise<Finished> {
  const flags = [
    "-c",
    String(connections),
    "-qps",
    "0",
    "-t",
    `${seconds}s`,
    "-loglevel",
    "error",
    "-json",
    "-",
  ];
  const { text, cpuSeconds } = await run([program, "load", ...flags, url]);
  const { RetCodes, ActualQPS } = JSON.parse(text);
  assert.deepEqual(Object.keys(RetCodes), ["200"]);
  return { requests: RetCodes["200"], perSecond: ActualQPS, cpuSeconds };
}

async function run(command: string[]): Promise<{ readonly text: string; readonly cpuSeconds: number }> {
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
  const text = await child.stdout.text();
  assert.equal(await child.exited, 0, command.join(" "));
  return { text, cpuSeconds: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 };
}
