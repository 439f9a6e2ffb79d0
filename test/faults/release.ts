/**
 * Runs every kill point and fault of an install, an upgrade, a rollback and a delete on the lab, for a chain,
 * for a topology, and for a change from one to the other. Writes the first table of docs/release-faults.md.
 *
 *     bun test/faults/release.ts [RESULTS]
 *
 * All 4,700 runs take about two hours on 2 cores; kills come first. Results that the file RESULTS already
 * contains are not run again. Ctrl-C finishes the runs in flight and writes the table so far; the same command
 * resumes from there.
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
} from "./scenario.ts";

/** Most of the time is spent waiting for faults to pass. */
const PARALLEL = 10;
const PAGE = new URL("../../docs/release-faults.md", import.meta.url);
const RESULTS = process.argv[2] ?? join(tmpdir(), "chain-link-release-faults.jsonl");

interface Count {
  readonly scenario: string;
  /** Number of API calls of the undisturbed command. */
  readonly calls: number;
}

interface Result extends Outcome {
  readonly scenario: string;
  readonly how: string;
  readonly call: number;
}

const callsOf = new Map<string, number>();
const results: Result[] = [];
for (const line of existsSync(RESULTS) ? readFileSync(RESULTS, "utf8").trim().split("\n") : []) {
  const entry = JSON.parse(line) as Count | Result;
  if ("calls" in entry) callsOf.set(entry.scenario, entry.calls);
  else results.push(entry);
}
const record = (entry: Count | Result) => appendFileSync(RESULTS, `${JSON.stringify(entry)}\n`);

const lab = await startLab();
const counts = SCENARIOS.filter(({ name }) => !callsOf.has(name)).map(
  (scenario): BenchTask =>
    async (bench) => {
      const calls = await bench.countCalls(scenario);
      callsOf.set(scenario.name, calls);
      record({ scenario: scenario.name, calls });
    },
);
await runInBenches(lab, "count", SCENARIOS.length, counts);
console.log([...callsOf].map(([scenario, calls]) => `${scenario}: ${calls} calls`).join(", "));

const known = new Set(results.map(keyOf));
const disturbances = SCENARIOS.flatMap((scenario) =>
  listDisturbances(callsOf.get(scenario.name) ?? 0).map((disturbance) => {
    const how = describeDisturbance(disturbance);
    const { call } = disturbance;
    const run: BenchTask = async (bench) => {
      const result: Result = {
        scenario: scenario.name,
        how,
        call,
        ...(await bench.run(scenario, disturbance)),
      };
      results.push(result);
      record(result);
      if (!isGood(result)) console.log(JSON.stringify(result));
    };
    const key = keyOf({ scenario: scenario.name, how, call });
    return {
      key,
      cell: `${scenario.name}, ${how}`,
      isKill: disturbance.kind === "kill",
      hash: Bun.hash(key),
      run,
    };
  }),
);
// Kills come first: they are quick, and show a mistake early. Then equally many of each kind, so that an interrupted run covers all.
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
    const calls = callsOf.get(group[0]?.scenario ?? "") ?? 0;
    return `| ${key} | ${calls} | ${group.length} | ${count(({ isReached }) => !isReached)} | ${count(({ end }) => end === "done")} | ${count(({ end }) => end === "failed")} | ${count(isGood)} |`;
  });
  return `${[
    "# Kill points and faults",
    "",
    "`bun test/faults/release.ts` writes this page. It puts a proxy in front of a real API server and disturbs the calls of a command",
    "one by one. There are two kinds of disturbance. The first is a kill: the process is killed (`kill -9`) after the API server has",
    "answered the call and before the process learns of it. The second is a fault: from this call on, once or for 10 s, calls are",
    "",
    "- answered with 500,",
    "- answered with 429 (`Retry-After: 1`),",
    "- reset before they arrive,",
    "- carried out, and their response is lost,",
    `- carried out and never answered (the command waits ${REQUEST_SECONDS} s for each).`,
    "",
    "Then one plain `deploy` or `delete` follows. All commands wait, as they do by default.",
    "",
    "- *Chain* and *topology*: the install makes 4 links. The upgrade removes 2 of them and replaces the load generator's Pod. The",
    "  rollback restores them, and the delete removes 4 links.",
    "- *Chain to topology*: the upgrade turns a chain of 2 into a topology of 4 with NetworkPolicies, which changes the set of kinds.",
    "  The rollback changes it back, and the delete removes the chain.",
    "",
    "*Converged*: afterwards a dry run finds nothing to change, nothing is left over, no lock is held, one revision is `deployed` and",
    "none is `pending`. A command that reported success left nothing to do. A command that failed gave the reason in one",
    "message. *Not reached*: the command made fewer calls this time; their number varies by one or two.",
    "",
    "If there are fewer runs than calls, a hash chose a sample, with the same number for each kind. The same command with the same",
    "results file runs the rest.",
    "",
    "| release | command | disturbance | calls | runs | not reached | finished by itself | failed with a message | converged |",
    "|---|---|---|---|---|---|---|---|---|",
    ...rows.sort(),
    "",
    "",
  ].join("\n")}${readOtherSections()}`;
}

/** Everything after the table is written by hand. */
function readOtherSections(): string {
  const page = readFileSync(PAGE, "utf8");
  const start = page.indexOf("## ");
  return start < 0 ? "" : page.slice(start);
}
