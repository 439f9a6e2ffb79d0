/**
 * Every kill point and every fault of an install, an upgrade with prune, a rollback and a delete, on the lab. Writes
 * the table of docs/release-faults.md.
 *
 *     bun test/faults/release.ts [RESULTS]
 *
 * Takes the better part of an hour on 2 cores. What stands in the file RESULTS already is not run again; Ctrl-C finishes
 * what is under way and writes the table of what was run.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLab, stopLab } from "../helpers/lab.ts";
import {
  describeDisturbance,
  FaultBench,
  isClear,
  listDisturbances,
  type Outcome,
  SCENARIOS,
  type Scenario,
} from "./scenario.ts";

/** Much of the time is waiting for faults to pass. */
const PARALLEL = 8;
const PAGE = new URL("../../docs/release-faults.md", import.meta.url);
const RESULTS = process.argv[2] ?? join(tmpdir(), "chain-link-release-faults.jsonl");

interface Result extends Outcome {
  readonly scenario: Scenario;
  readonly how: string;
  readonly call: number;
}

const results: Result[] = existsSync(RESULTS)
  ? readFileSync(RESULTS, "utf8")
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as Result)
  : [];
const callsOf = new Map<Scenario, number>();
const known = new Set(results.map(keyOf));
const lab = await startLab();
const runs: { readonly rank: number; readonly start: () => Promise<void> }[] = [];
for (const scenario of SCENARIOS) {
  const counter = new FaultBench(lab, `fault-${scenario}`, scenario);
  const calls = await counter.countCalls();
  await counter.remove();
  callsOf.set(scenario, calls);
  console.log(`${scenario}: ${calls} calls`);
  for (const [index, disturbance] of listDisturbances(calls).entries()) {
    const how = describeDisturbance(disturbance);
    if (known.has(keyOf({ scenario, how, call: disturbance.call }))) continue;
    const start = async () => {
      const bench = new FaultBench(lab, `fault-${scenario}-${index}`, scenario);
      const outcome = await bench.run(disturbance).finally(() => bench.remove());
      const result: Result = { scenario, how, call: disturbance.call, ...outcome };
      results.push(result);
      appendFileSync(RESULTS, `${JSON.stringify(result)}\n`);
      if (!isGood(result)) console.log(JSON.stringify(result));
    };
    runs.push({ rank: how === "kill -9" ? 0 : how.includes(" for ") ? 2 : 1, start });
  }
}
// What is quick first: a mistake shows early.
runs.sort((a, b) => a.rank - b.rank);
console.log(`${runs.length} runs`);
process.on("SIGINT", () => runs.splice(0));
const startMs = performance.now();
const work = async () => {
  for (let run = runs.shift(); run !== undefined; run = runs.shift()) await run.start();
};
await Promise.all(Array.from({ length: PARALLEL }, work));
console.log(`${Math.round((performance.now() - startMs) / 1000)} s`);
const page = renderPage();
console.log(page);
const hasFailed = !results.every(isGood);
if (!hasFailed) writeFileSync(PAGE, page);
await stopLab();
process.exit(hasFailed ? 1 : 0);

function keyOf({ scenario, how, call }: Pick<Result, "scenario" | "how" | "call">): string {
  return `${scenario}, ${how}, ${call}`;
}

function isGood({ end, message, problems }: Outcome): boolean {
  return problems.length === 0 && (end !== "failed" || isClear(message));
}

function renderPage(): string {
  const groups = Map.groupBy(results, ({ scenario, how }) => `${scenario} | ${how}`);
  const rows = [...groups].map(([key, group]) => {
    const count = (isSo: (result: Result) => boolean) => group.filter(isSo).length;
    const calls = callsOf.get(group[0]?.scenario ?? "install") ?? 0;
    return `| ${key} | ${calls} | ${group.length} | ${count(({ end }) => end === "done")} | ${count(({ end }) => end === "failed")} | ${count(isGood)} |`;
  });
  return `${[
    "# Kill points and faults",
    "",
    "Written by `bun test/faults/release.ts`, which stands a proxy in front of a real API server and disturbs every single call",
    "of a command: the process is killed (`kill -9`) when the API server has answered the call and before the process knows;",
    "or from this call on, once or for 10 s, calls are answered 500, answered 429 (`Retry-After: 1`), reset before they arrive,",
    "carried out and their answer lost, or carried out and never answered. Then one plain `deploy` or `delete` follows.",
    "",
    "*Converged*: afterwards every object is as wanted (`dry-run` finds nothing to change), nothing is left over, no lock is held,",
    "one revision is `deployed` and none `pending`; and a command that said it was done had left nothing to do.",
    "A command that failed said why in one message. A command makes a call more or less from run to run; a row with fewer runs than",
    "calls was stopped before it was through.",
    "",
    "| command | disturbance | calls | runs | finished by itself | failed with a message | converged |",
    "|---|---|---|---|---|---|---|",
    ...rows.sort(),
  ].join("\n")}\n`;
}
