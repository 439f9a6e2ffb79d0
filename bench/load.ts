/**
 * Measures the cost of the load generator, and what it reports about a server that stalls.
 *
 *     bun bench/load.ts [--seconds 3] [--rounds 5] [--write]
 *
 * - Scenario: one of our servers, in its own process, answers at once. A closed loop on 16 and 64 connections is
 *   run by `chain-link load` with and without its ledger, by wrk with one thread (required), and by oha and
 *   fortio if they are on the PATH.
 * - Metrics: requests per second of the generator's CPU time (user and system, including its start), and
 *   requests per second. The ratio to wrk is taken within a round, in turns: A B C A B C. Linux only.
 * - Then the maximum honest rate: the open loop runs at shares of the closed loop's rate until it reports that
 *   it could not keep up.
 * - Then its error under a stall: the server stalls for one second in five, at 200 requests per second on one
 *   connection, so the correct quantiles are known.
 * - Asserted first: the server counted as many requests as the generator reported, and none failed.
 * - `--write` updates docs/performance.md and bench/README.md.
 */
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { prepareHead } from "../src/http/answer.ts";
import { startServer } from "../src/http/server.ts";
import { type Finished, findGenerators, runJson, runOurs } from "./load-generators.ts";
import { describeMachine, renderTable, writePages } from "./page.ts";
import { BUN, median } from "./process.ts";

const HOST = "127.0.0.1";
const CONNECTIONS = [16, 64];
/** Minimum share of wrk's requests per core second. */
const GOAL = 0.5;

if (process.argv[2] === "serve") serve();
else if (Bun.which("wrk") === null) console.log("wrk is not on the PATH: nothing was measured");
else await main();

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: {
      seconds: { type: "string", default: "3" },
      rounds: { type: "string", default: "5" },
      write: { type: "boolean", default: false },
    },
  });
  const [seconds, rounds] = [Number(options.seconds), Number(options.rounds)];
  const child = Bun.spawn([BUN, import.meta.path, "serve"], { stdout: "pipe" });
  try {
    const { value } = await child.stdout.getReader().read();
    const url = `http://${HOST}:${new TextDecoder().decode(value).trim()}`;
    await assertCounts(url);
    const { rows, best } = await compareClosed(url, seconds, rounds);
    const heads = ["c", "closed loop", "requests per core second", "µs each", "requests/s", "to wrk", "goal"];
    const results = renderTable(
      heads.slice(0, -1),
      rows.map((row) => row.slice(0, -1)),
    );
    const goals = [
      ...renderTable(
        ["c", "closed loop", "to wrk", "goal"],
        rows
          .filter((row) => row[6] !== "")
          .map((row) => [row[0], row[1], row[5], row[6]].map((cell) => cell ?? "")),
      ),
      "",
      await findHonestRate(url, best, seconds),
      await measureStall(),
      `- ${describeMachine()}; ${rounds} rounds of ${seconds} s each, ${new Date().toISOString().slice(0, 10)}.`,
    ];
    console.log([...results, "", ...goals].join("\n"));
    if (options.write) writePages("bench:load", results, goals);
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

/** `best` is our maximum number of requests per second. */
async function compareClosed(
  url: string,
  seconds: number,
  rounds: number,
): Promise<{ readonly rows: string[][]; readonly best: number }> {
  const generators = findGenerators();
  const perCore = ({ requests, cpuSeconds }: Finished) => requests / cpuSeconds;
  const rows: string[][] = [];
  let best = 0;
  for (const connections of CONNECTIONS) {
    const found = new Map<string, Finished[]>([...generators.keys()].map((name) => [name, []]));
    for (let round = 0; round < rounds; round++) {
      for (const [name, run] of generators) found.get(name)?.push(await run(url, connections, seconds));
    }
    const wrk = found.get("wrk") ?? [];
    for (const [name, all] of found) {
      const ratio = median(all.map((one, round) => perCore(one) / perCore(wrk[round] ?? one)));
      const perSecond = median(all.map((one) => one.perSecond));
      const isOurs = name === "chain-link load";
      if (isOurs) best = Math.max(best, perSecond);
      rows.push([
        String(connections),
        name,
        median(all.map(perCore)).toFixed(0),
        median(all.map((one) => 1e6 / perCore(one))).toFixed(1),
        perSecond.toFixed(0),
        ratio.toFixed(2),
        isOurs ? `at least ${GOAL}: ${ratio >= GOAL ? "met" : "MISSED"}` : "",
      ]);
    }
  }
  return { rows, best };
}

async function findHonestRate(url: string, best: number, seconds: number): Promise<string> {
  for (const share of [0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]) {
    const rate = Math.floor(best * share);
    const { isRateReached, latencyMs, sendLagMs } = await runJson([
      ...[url, "--rate", `${rate}/s`, "--duration", `${seconds}s`],
    ]);
    if (!isRateReached) continue;
    return (
      `- Open loop: ${rate}/s reached (${share} of the closed loop), latency p50 ${latencyMs.p50} p99 ${latencyMs.p99} ms, ` +
      `sent late by p50 ${sendLagMs.p50} p99 ${sendLagMs.p99} ms.`
    );
  }
  return "- Open loop: no rate was reached.";
}

/** Requests are due evenly over 5 s. The fifth that is due during the stall waits until it ends, up to a second. */
async function measureStall(): Promise<string> {
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
  assert.ok(latencyMs.p90 > 400 && latencyMs.max > 900, "the stall is missing from the latencies");
  return (
    `- A stall of 1 s in 5: p90 ${latencyMs.p90} ms (500 expected), max ${latencyMs.max} ms (1,000 expected); ` +
    "counted from the actual send, p90 would be below 10 ms."
  );
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
