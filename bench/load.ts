/**
 * What the load generator costs, and what it says of a server that stands still.
 *
 *     bun bench/load.ts [SECONDS] [ROUNDS]
 *
 * - Scenario: a server of ours, in a process of its own, that answers at once. A closed loop on 16 and 64 connections, by
 *   `chain-link load` with and without its ledger, and by wrk with one thread (which it needs).
 * - Metric: requests for each second of processor time of the generator (user and system, all of the process, its start
 *   included), and requests a second; the ratio to wrk in the same round, in turns: A B C A B C. Linux only.
 * - Then the highest honest rate: the open loop, at shares of what the closed loop reached, until it says that it could not.
 * - Then its own error under a stall: a server that stands still for a second in five, at 200 requests a second on one
 *   connection; what quantiles it has to find is known.
 * - Asserted first: requests that the server has counted are those that were reported; none failed.
 */
import assert from "node:assert/strict";
import { prepareHead } from "../src/http/answer.ts";
import { startServer } from "../src/http/server.ts";
import { BUN, EXECUTABLE, median } from "./process.ts";

const HOST = "127.0.0.1";
const CONNECTIONS = [16, 64];

if (process.argv[2] === "serve") serve();
else if (Bun.which("wrk") === null) console.log("wrk is not on the PATH: nothing was measured");
else await main(Number(process.argv[2] ?? 3), Number(process.argv[3] ?? 5));

interface Finished {
  readonly requests: number;
  readonly cpuSeconds: number;
  readonly perSecond: number;
}

async function main(seconds: number, rounds: number): Promise<void> {
  const child = Bun.spawn([BUN, import.meta.path, "serve"], { stdout: "pipe" });
  try {
    const { value } = await child.stdout.getReader().read();
    const url = `http://${HOST}:${new TextDecoder().decode(value).trim()}`;
    await assertCounts(url);
    const best = await compareClosed(url, seconds, rounds);
    await findHonestRate(url, best, seconds);
    await measureStall();
  } finally {
    child.kill();
  }
}

async function assertCounts(url: string): Promise<void> {
  const count = async () => Number(await (await fetch(`${url}/count`)).text());
  const before = await count();
  const { requests } = await runOurs(url, ["-c", "16", "--duration", "1s"]);
  assert.equal((await count()) - before, requests);
}

/** Returns the requests a second of ours. */
async function compareClosed(url: string, seconds: number, rounds: number): Promise<number> {
  let best = 0;
  console.log(`closed loop, median of ${rounds} rounds of ${seconds} s`);
  for (const connections of CONNECTIONS) {
    const found: Record<"wrk" | "ours" | "ledger", Finished[]> = { wrk: [], ours: [], ledger: [] };
    const flags = ["-c", String(connections), "--duration", `${seconds}s`];
    for (let round = 0; round < rounds; round++) {
      found.wrk.push(await runWrk(url, connections, seconds));
      found.ours.push(await runOurs(url, flags));
      found.ledger.push(await runOurs(url, [...flags, "--ledger", "/dev/null"]));
    }
    const perCore = (one: Finished) => one.requests / one.cpuSeconds;
    for (const [name, all] of Object.entries(found)) {
      const ratio = median(all.map((one, round) => perCore(one) / perCore(found.wrk[round] ?? one)));
      console.log(
        `  c=${connections} ${name.padEnd(7)}${median(all.map(perCore)).toFixed(0).padStart(8)} requests a core second` +
          `  ${median(all.map((one) => (one.cpuSeconds * 1e6) / one.requests)).toFixed(1)} µs each` +
          `  ${median(all.map(({ perSecond }) => perSecond)).toFixed(0)}/s   ratio ${ratio.toFixed(2)}`,
      );
    }
    best = Math.max(best, median(found.ours.map(({ perSecond }) => perSecond)));
  }
  return best;
}

async function findHonestRate(url: string, best: number, seconds: number): Promise<void> {
  for (const share of [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]) {
    const rate = Math.floor(best * share);
    const { isRateReached, latencyMs, sendLagMs } = await runJson([
      ...[url, "--rate", `${rate}/s`, "--duration", `${seconds}s`],
    ]);
    if (!isRateReached) continue;
    console.log(
      `open loop: ${rate}/s reached (${share} of the closed loop), latency p50 ${latencyMs.p50} p99 ${latencyMs.p99} ms, ` +
        `sent late by p50 ${sendLagMs.p50} p99 ${sendLagMs.p99} ms`,
    );
    return;
  }
  console.log("open loop: no rate was reached");
}

/** Of requests due evenly in 5 s, those in the stall wait for the rest of it: a fifth, up to a second. */
async function measureStall(): Promise<void> {
  const startMs = performance.now();
  using server = Bun.serve({
    hostname: HOST,
    port: 0,
    async fetch() {
      const atMs = performance.now() - startMs;
      if (atMs >= 2000 && atMs < 3000) await Bun.sleep(3000 - atMs);
      return new Response("ok");
    },
  });
  const { latencyMs, requests } = await runJson([
    ...[`http://${HOST}:${server.port}`, "--rate", "200/s", "--duration", "5s", "--connections", "1"],
  ]);
  assert.equal(requests, 1000);
  console.log(
    `a stall of 1 s in 5: p90 ${latencyMs.p90} ms (500 expected), max ${latencyMs.max} ms (1,000 expected); ` +
      "counted from when it was sent, p90 would be below 10 ms",
  );
  assert.ok(latencyMs.p90 > 400 && latencyMs.max > 900, "the stall was left out");
}

interface Summary {
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

async function runJson(args: readonly string[]): Promise<Summary> {
  const child = Bun.spawn([EXECUTABLE, "load", ...args, "-o", "json"], { stdout: "pipe" });
  return JSON.parse(await child.stdout.text());
}

async function runOurs(url: string, args: readonly string[]): Promise<Finished> {
  const child = Bun.spawn([EXECUTABLE, "load", url, ...args, "-o", "json"], { stdout: "pipe" });
  const { requests, failed, requestsPerSecond }: Summary = JSON.parse(await child.stdout.text());
  assert.equal(await child.exited, 0);
  assert.equal(failed, 0);
  return { requests, perSecond: requestsPerSecond, cpuSeconds: cpuSecondsOf(child) };
}

async function runWrk(url: string, connections: number, seconds: number): Promise<Finished> {
  const child = Bun.spawn(["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, url], { stdout: "pipe" });
  const text = await child.stdout.text();
  await child.exited;
  assert.doesNotMatch(text, /Non-2xx|Socket errors/);
  return {
    requests: Number(/(\d+) requests in/.exec(text)?.[1]),
    perSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(text)?.[1]),
    cpuSeconds: cpuSecondsOf(child),
  };
}

function cpuSecondsOf(child: { resourceUsage(): Bun.ResourceUsage | undefined }): number {
  return Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6;
}

function serve(): void {
  const head = prepareHead(200, [["Content-Type", "application/json"]]);
  const body = Buffer.from('{"message":"You have reached the final chain link"}\n');
  let count = 0;
  const { port } = startServer({ host: HOST, port: 0 }, (exchange) => {
    if (exchange.path === "/count") {
      exchange.answer({ status: 200, headers: [], body: String(count) });
      return;
    }
    count++;
    exchange.begin(head, 200);
    exchange.finish(body);
  });
  console.log(port);
}
