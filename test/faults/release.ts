/**
 * Every kill point and every fault of an install, an upgrade with prune, a rollback and a delete, on the lab. Writes
 * the table of docs/release-faults.md.
 *
 *     bun test/faults/release.ts [RESULTS]
 *
 * Takes 50 minutes on 2 cores. What stands in the file RESULTS already is not run again; Ctrl-C finishes what is
 * under way and writes the table of what was run, and the same command goes on from there.
 */
import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startLab, stopLab } from "../helpers/lab.ts";
import { type BenchTask, runInBenches } from "./bench-pool.ts";
import {
  describeDisturbance,
  isGood,
  listDisturbances,
  type Outcome,
  REQUEST_SECONDS,
  SCENARIOS,
  type Scenario,
} from "./scenario.ts";

/** Much of the time is waiting for faults to pass. */
const PARALLEL = 8;
const PAGE = new URL("../../docs/release-faults.md", import.meta.url);
const RESULTS = process.argv[2] ?? join(tmpdir(), "chain-link-release-faults.jsonl");

interface Count {
  readonly scenario: Scenario;
  /** Of the undisturbed command. */
  readonly calls: number;
}

interface Result extends Outcome {
  readonly scenario: Scenario;
  readonly how: string;
  readonly call: number;
}

const callsOf = new Map<Scenario, number>();
const results: Result[] = [];
for (const line of existsSync(RESULTS) ? readFileSync(RESULTS, "utf8").trim().split("\n") : []) {
  const entry = JSON.parse(line) as Count | Result;
  if ("calls" in entry) callsOf.set(entry.scenario, entry.calls);
  else results.push(entry);
}
const record = (entry: Count | Result) => appendFileSync(RESULTS, `${JSON.stringify(entry)}\n`);

const lab = await startLab();
const counts = SCENARIOS.filter((scenario) => !callsOf.has(scenario)).map(
  (scenario): BenchTask =>
    async (bench) => {
      const calls = await bench.countCalls(scenario);
      callsOf.set(scenario, calls);
      record({ scenario, calls });
    },
);
await runInBenches(lab, "count", SCENARIOS.length, counts);
console.log([...callsOf].map(([scenario, calls]) => `${scenario}: ${calls} calls`).join(", "));

const known = new Set(results.map(keyOf));
const disturbances = SCENARIOS.flatMap((scenario) =>
  listDisturbances(callsOf.get(scenario) ?? 0).map((disturbance) => {
    const how = describeDisturbance(disturbance);
    const { call } = disturbance;
    const run: BenchTask = async (bench) => {
      const result: Result = { scenario, how, call, ...(await bench.run(scenario, disturbance)) };
      results.push(result);
      record(result);
      if (!isGood(result)) console.log(JSON.stringify(result));
    };
    const key = keyOf({ scenario, how, call });
    return {
      key,
      cell: `${scenario}, ${how}`,
      isKill: disturbance.kind === "kill",
      hash: Bun.hash(key),
      run,
    };
  }),
);
// Kills are quick, and a mistake shows early; of the rest as many of each kind, so that a run that is stopped has seen some of all.
const turns = [...Map.groupBy(disturbances, ({ cell }) => cell).values()].flatMap((cell) =>
  cell
    .sort((a, b) => (a.hash < b.hash ? -1 : 1))
    .map((it, index) => ({ ...it, turn: it.isKill ? -1 : index })),
);
const tasks = turns
  .filter(({ key }) => !known.has(key))
  .sort((a, b) => a.turn - b.turn || (a.hash < b.hash ? -1 : 1))
  .map(({ run }) => run);
let isWhole = true;
process.on("SIGINT", () => {
  isWhole = false;
  tasks.splice(0);
});
console.log(`${results.length} runs done before, ${tasks.length} to do`);
const startMs = performance.now();
await runInBenches(lab, "faults", PARALLEL, tasks);
console.log(`${results.length} runs, ${Math.round((performance.now() - startMs) / 1000)} s`);
const hasFailed = !results.every(isGood);
if (!hasFailed) writeFileSync(PAGE, renderPage());
await stopLab();
process.exit(hasFailed || !isWhole ? 1 : 0);

function keyOf({ scenario, how, call }: Pick<Result, "scenario" | "how" | "call">): string {
  return `${scenario}, ${how}, ${call}`;
}

function renderPage(): string {
  const groups = Map.groupBy(results, ({ scenario, how }) => `${scenario} | ${how}`);
  const rows = [...groups].map(([key, group]) => {
    const count = (isSo: (result: Result) => boolean) => group.filter(isSo).length;
    const calls = callsOf.get(group[0]?.scenario ?? "install") ?? 0;
    return `| ${key} | ${calls} | ${group.length} | ${count(({ isReached }) => !isReached)} | ${count(({ end }) => end === "done")} | ${count(({ end }) => end === "failed")} | ${count(isGood)} |`;
  });
  return `${[
    "# Kill points and faults",
    "",
    "Written by `bun test/faults/release.ts`, which stands a proxy in front of a real API server and disturbs the calls of a command",
    "one by one: the process is killed (`kill -9`) when the API server has answered the call and before the process knows; or from",
    "this call on, once or for 10 s, calls are answered 500, answered 429 (`Retry-After: 1`), reset before they arrive, carried out",
    `and their answer lost, or carried out and never answered (the command waits ${REQUEST_SECONDS} s for each). Then one plain`,
    "`deploy` or `delete` follows. All commands wait, as they do by default. The install makes 4 links, the upgrade takes 2 of them away and replaces the",
    "load generator's Pod, the rollback brings all back, the delete removes 4 links.",
    "",
    "*Converged*: afterwards every object is as wanted (a dry run finds nothing to change), nothing is left over, no lock is held,",
    "one revision is `deployed` and none `pending`; and a command that said it was done had left nothing to do. A command that failed",
    "said why in one message. *Not reached*: the command made fewer calls this time; their number varies by one or two.",
    "Where there are fewer runs than calls, a sample was run, as many of each kind, chosen by a hash; the script goes on where it was stopped.",
    "",
    "| command | disturbance | calls | runs | not reached | finished by itself | failed with a message | converged |",
    "|---|---|---|---|---|---|---|---|",
    ...rows.sort(),
  ].join("\n")}\n`;
}
