/**
 * The collector beside a real Zipkin, in memory and, for the collector, in a file (Linux only).
 *
 * - Scenario: batches of 180 spans as links of a chain of 5 send them, JSON, over 4 connections, from this process. First
 *   200,000 spans as fast as they are taken, then more until 500,000 are held, then 200 look-ups of a trace while
 *   spans come in at a third of the best rate.
 * - Metrics: start until /health is UP; spans a second until the last can be queried; CPU seconds for a million of them;
 *   resident memory with 500,000 held; p99 of the look-ups.
 * - Asserted first: a trace of the first and of the last batch come back with all their spans.
 * - Compare within one run only. The sender has a share of the processors, too, so that the ratio of rates is too small.
 */
import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { newTraceId } from "../src/trace/ids.ts";
import { makeChain } from "../test/collector/spans.ts";
import { EXECUTABLE, readMemory } from "./process.ts";

const LINKS = 5;
const SPANS_A_TRACE = 2 * LINKS - 1;
const TRACES_A_ROUND = 100;
const SPEED_SPANS = 200_000;
const HELD_SPANS = 500_000;
const CONNECTIONS = 4;
const LOOK_UPS = 200;
const WARM_UP_SPANS = 20_000;
const JAR = process.env.ZIPKIN_JAR ?? join(import.meta.dir, "../.cache/zipkin/zipkin-server-3.6.1-exec.jar");

interface Figures {
  readonly startMs: number;
  readonly rate: number;
  readonly cpuSecondsPerMillion: number;
  readonly residentBytes: number;
  readonly p99Ms: number;
}

const folder = mkdtempSync(join(tmpdir(), "chain-link-bench-"));
const memory = await measure("collector in memory", (port) => collector(port));
const file = await measure("collector in a file", (port) =>
  collector(port, "--data", join(folder, "spans.db")),
);
rmSync(folder, { recursive: true });
report("rate in a file / in memory", file.rate / memory.rate, 0.5, true);
if (existsSync(JAR) && Bun.which("java") !== null) {
  const zipkin = await measure("Zipkin in memory", (port) => ({
    command: ["java", "-Xmx1g", "-jar", JAR],
    env: { QUERY_PORT: String(port), MEM_MAX_SPANS: "1000000", SELF_TRACING_ENABLED: "false" },
  }));
  report("rate / Zipkin's", memory.rate / zipkin.rate, 3, true);
  report("CPU a span / Zipkin's", memory.cpuSecondsPerMillion / zipkin.cpuSecondsPerMillion, 0.33, false);
  report("resident memory / Zipkin's", memory.residentBytes / zipkin.residentBytes, 0.4, false);
  report("start / Zipkin's", memory.startMs / zipkin.startMs, 0.05, false);
  report("p99 of look-ups / Zipkin's", memory.p99Ms / zipkin.p99Ms, 1, false);
} else console.log("Zipkin is not here: test/helpers/get-zipkin fetches it (Maven and Java)");

function collector(port: number, ...args: string[]) {
  return { command: [EXECUTABLE, "collector", "--port", String(port), ...args], env: {} };
}

async function measure(
  name: string,
  commandFor: (port: number) => { command: string[]; env: Record<string, string> },
): Promise<Figures> {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  const { command, env } = commandFor(port);
  const startedMs = performance.now();
  const child = Bun.spawn(command, {
    stdio: ["ignore", "ignore", "ignore"],
    env: { ...process.env, ...env },
  });
  const url = `http://127.0.0.1:${port}`;
  try {
    await until(async () => (await fetch(`${url}/health`)).ok);
    const startMs = performance.now() - startedMs;
    await send(url, makeBatches(WARM_UP_SPANS));
    const batches = makeBatches(SPEED_SPANS);
    const cpuBefore = cpuSeconds(child.pid);
    const sendMs = performance.now();
    await send(url, batches);
    const rate = SPEED_SPANS / ((performance.now() - sendMs) / 1000);
    const cpu = cpuSeconds(child.pid) - cpuBefore;
    await send(url, makeBatches(HELD_SPANS - SPEED_SPANS - WARM_UP_SPANS));
    await Bun.sleep(1000);
    const residentBytes = readMemory(child.pid, "VmRSS");
    const p99Ms = await lookUp(url, rate / 3);
    const figures = { startMs, rate, cpuSecondsPerMillion: (cpu / SPEED_SPANS) * 1e6, residentBytes, p99Ms };
    console.log(
      `${name.padEnd(20)} start ${startMs.toFixed(0)} ms, ${rate.toFixed(0)} spans/s, ` +
        `${figures.cpuSecondsPerMillion.toFixed(1)} CPU s a million, ${(residentBytes / 1e6).toFixed(0)} MB, ` +
        `look-up p99 ${p99Ms.toFixed(1)} ms`,
    );
    return figures;
  } finally {
    child.kill();
    await child.exited;
  }
}

interface Batches {
  readonly bodies: string[];
  readonly firstTrace: string;
  readonly lastTrace: string;
}

/** Each link reports its own spans of a hundred traces at a time. */
function makeBatches(spans: number): Batches {
  const bodies: string[] = [];
  let [firstTrace, lastTrace] = ["", ""];
  for (let made = 0; made < spans; made += TRACES_A_ROUND * SPANS_A_TRACE) {
    const chains = Array.from({ length: TRACES_A_ROUND }, () =>
      makeChain(newTraceId(), LINKS, Date.now() - 1000),
    );
    firstTrace ||= chains[0]?.[0]?.traceId ?? "";
    lastTrace = chains.at(-1)?.[0]?.traceId ?? "";
    for (let link = 0; link < LINKS; link++) {
      const own = chains.flatMap((chain) => chain.slice(2 * link, 2 * link + 2));
      bodies.push(JSON.stringify(own));
    }
  }
  return { bodies, firstTrace, lastTrace };
}

/** Ends when the first and the last trace are whole. */
async function send(url: string, { bodies, firstTrace, lastTrace }: Batches): Promise<void> {
  let next = 0;
  const connection = async () => {
    while (next < bodies.length) await post(url, bodies[next++] as string);
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, connection));
  for (const id of [firstTrace, lastTrace]) {
    await until(async () => {
      const response = await fetch(`${url}/api/v2/trace/${id}`);
      return response.ok && ((await response.json()) as unknown[]).length === SPANS_A_TRACE;
    });
  }
}

async function post(url: string, body: string): Promise<void> {
  const response = await fetch(`${url}/api/v2/spans`, {
    method: "POST",
    body,
    headers: { "Content-Type": "application/json" },
  });
  assert.equal(response.status, 202);
}

async function lookUp(url: string, spansPerSecond: number): Promise<number> {
  const { bodies, firstTrace } = makeBatches(SPEED_SPANS / 2);
  await post(url, bodies[0] as string);
  let isOver = false;
  const feed = (async () => {
    const intervalMs = (1000 * TRACES_A_ROUND * SPANS_A_TRACE) / LINKS / spansPerSecond;
    for (let index = 1; !isOver; index++) {
      await Promise.all([post(url, bodies[index % bodies.length] as string), Bun.sleep(intervalMs)]);
    }
  })();
  await until(async () => (await fetch(`${url}/api/v2/trace/${firstTrace}`)).ok);
  const times: number[] = [];
  for (let count = 0; count < LOOK_UPS; count++) {
    const startMs = performance.now();
    await (await fetch(`${url}/api/v2/trace/${firstTrace}`)).text();
    times.push(performance.now() - startMs);
    await Bun.sleep(5);
  }
  isOver = true;
  await feed;
  return times.sort((a, b) => a - b)[Math.floor(LOOK_UPS * 0.99)] ?? 0;
}

async function until(isDone: () => Promise<boolean>): Promise<void> {
  const deadlineMs = performance.now() + 120_000;
  while (!(await isDone().catch(() => false))) {
    assert.ok(performance.now() < deadlineMs, "it takes too long");
    await Bun.sleep(2);
  }
}

/** User and system time of a process, `/proc/PID/stat` in ticks of 10 ms. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function report(what: string, ratio: number, goal: number, isAtLeast: boolean): void {
  const holds = isAtLeast ? ratio >= goal : ratio <= goal;
  console.log(
    `${what.padEnd(28)} ${ratio.toFixed(2)}, goal ${isAtLeast ? ">=" : "<="} ${goal}: ${holds ? "holds" : "MISSED"}`,
  );
}
