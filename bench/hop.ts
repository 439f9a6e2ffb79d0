/**
 * What a hop costs: a chain of 5 links, each a process of its own, under closed load by wrk (which it needs).
 *
 *     bun bench/hop.ts [SECONDS]
 *
 * - Metric: processor time (user and system, from /proc) of all links for each hop, requests a second, latency at the
 *   entry, resident memory of a link. Linux only.
 * - Variants: traced at 100 % with the default tags, spans to the embedded collector, which runs in another process that
 *   is not counted; and the same chain with requests that are not sampled. In turns: A B A B.
 * - Asserted first: the answer is the last link's, and the trace has 9 spans; afterwards no span was dropped and no
 *   request failed.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { median, processTree, readMemory, startUp, type Up } from "./process.ts";

const LINKS = 5;
const CONNECTIONS = [1, 16, 64];
const ROUNDS = 3;
const SECONDS = Number(process.argv[2] ?? 4);
/** Clock ticks a second of /proc: fixed at 100 for user programs on Linux. */
const TICKS_PER_SECOND = 100;
const UNSAMPLED = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00";

interface Measurement {
  readonly hopMicros: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

if (Bun.which("wrk") === null) {
  console.log("wrk is not on the PATH: nothing was measured");
  process.exit(0);
}
const up = await startUp(["--instances", String(LINKS), "--slow", "off", "--no-load", "--processes"]);
try {
  await checkTrace(up);
  const links = processTree(up.pid).filter((pid) => pid !== up.pid);
  assert.equal(links.length, LINKS);
  await load(up.entry, 16, links, []);
  console.log(`chain of ${LINKS}, CPU µs a hop, median of ${ROUNDS} rounds of ${SECONDS} s`);
  for (const connections of CONNECTIONS) {
    const traced: Measurement[] = [];
    const unsampled: Measurement[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      traced.push(await load(up.entry, connections, links, []));
      unsampled.push(await load(up.entry, connections, links, ["-H", UNSAMPLED]));
    }
    report(`c=${connections} traced 100 %`, traced);
    report(`c=${connections} not sampled`, unsampled);
    const ratios = traced.map(({ hopMicros }, round) => hopMicros / (unsampled[round]?.hopMicros ?? 1));
    console.log(`  ratio ${median(ratios).toFixed(2)}`);
  }
  const memory = links.map((pid) => readMemory(pid, "VmRSS") / 1e6);
  console.log(`memory of a link under load: ${median(memory).toFixed(0)} MB`);
  await checkLosses(up);
} finally {
  await up.stop();
}

async function checkTrace({ entry, collector }: Up): Promise<void> {
  const answer = await fetch(entry);
  assert.match(await answer.text(), new RegExp(`chain-link-service-${LINKS - 1}"`));
  const id = answer.headers.get("traceresponse")?.split("-")[1];
  await Bun.sleep(2000);
  const trace = await fetch(`${collector}/api/v2/trace/${id}`);
  assert.equal(((await trace.json()) as unknown[]).length, 2 * LINKS - 1);
}

async function checkLosses({ links }: Up): Promise<void> {
  await Bun.sleep(2000);
  for (const { url } of links) {
    const metrics = await (await fetch(`${url}/metrics`)).text();
    const dropped = [...metrics.matchAll(/^chain_link_spans_dropped_total\{.*\} (\d+)$/gm)];
    assert.equal(
      dropped.reduce((sum, [, count]) => sum + Number(count), 0),
      0,
      "spans were dropped",
    );
  }
}

async function load(
  url: string,
  connections: number,
  links: readonly number[],
  more: string[],
): Promise<Measurement> {
  const before = cpuMicros(links);
  const child = Bun.spawn(
    ["wrk", "-t1", `-c${connections}`, `-d${SECONDS}s`, "--latency", ...more, `${url}/`],
    { stdout: "pipe" },
  );
  const text = await child.stdout.text();
  const used = cpuMicros(links) - before;
  const requests = Number(/(\d+) requests in/.exec(text)?.[1]);
  assert.doesNotMatch(text, /Non-2xx|Socket errors/);
  return {
    hopMicros: used / requests / LINKS,
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    p50Ms: readLatency(text, "50%"),
    p99Ms: readLatency(text, "99%"),
  };
}

function readLatency(text: string, quantile: string): number {
  const [, value, unit] = new RegExp(`^\\s+${quantile}\\s+([\\d.]+)(us|ms|s)$`, "m").exec(text) ?? [];
  return Number(value) * ({ us: 0.001, ms: 1, s: 1000 }[unit ?? ""] ?? Number.NaN);
}

function cpuMicros(pids: readonly number[]): number {
  const ticks = pids.map((pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
      .replace(/^.*\) /, "")
      .split(" ");
    // Fields 14 and 15 of proc(5), counted from the third.
    return Number(fields[11]) + Number(fields[12]);
  });
  return (ticks.reduce((sum, count) => sum + count, 0) / TICKS_PER_SECOND) * 1e6;
}

function report(title: string, all: readonly Measurement[]): void {
  const of = (key: keyof Measurement) => median(all.map((one) => one[key]));
  console.log(
    `  ${title.padEnd(20)}${of("hopMicros").toFixed(1).padStart(7)} µs a hop` +
      `${of("requestsPerSecond").toFixed(0).padStart(8)} requests/s` +
      `   p50 ${of("p50Ms").toFixed(2)} ms, p99 ${of("p99Ms").toFixed(2)} ms`,
  );
}
