/**
 * Every kill point and every fault of an install, an upgrade with prune, a rollback and a delete, on the lab. Writes
 * the table of docs/release-faults.md: `bun test/faults/release.ts`, about 20 minutes on 2 cores.
 */
import { writeFileSync } from "node:fs";
import { startLab, stopLab } from "../helpers/lab.ts";
import {
  type Disturbance,
  FaultBench,
  isClear,
  listDisturbances,
  type Outcome,
  SCENARIOS,
} from "./scenario.ts";

const PARALLEL = 6;
const PAGE = new URL("../../docs/release-faults.md", import.meta.url);

interface Count {
  runs: number;
  done: number;
  failedClearly: number;
  converged: number;
}

const lab = await startLab();
const counts = new Map<string, Count>();
const failures: string[] = [];
const startMs = performance.now();
const named = process.argv.slice(2);
const scenarios = SCENARIOS.filter((scenario) => named.length === 0 || named.includes(scenario));
for (const scenario of scenarios) {
  const counter = new FaultBench(lab, `fault-${scenario}`, scenario);
  const calls = await counter.countCalls();
  await counter.remove();
  const waiting = listDisturbances(calls);
  say(`${scenario}: ${calls} calls, ${waiting.length} runs`);
  let next = 0;
  const work = async () => {
    for (;;) {
      const index = next++;
      const disturbance = waiting[index];
      if (disturbance === undefined) return;
      const bench = new FaultBench(lab, `fault-${scenario}-${index}`, scenario);
      let outcome: Outcome;
      try {
        outcome = await bench.run(disturbance);
      } catch (error) {
        outcome = { end: "failed", message: "", problems: [`the run itself failed: ${String(error)}`] };
      }
      await bench.remove();
      record(scenario, disturbance, outcome);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, work));
}
say(`${Math.round((performance.now() - startMs) / 1000)} s`);
for (const line of renderTable()) say(line);
for (const failure of failures) say(failure);
if (named.length === 0 && failures.length === 0) writeFileSync(PAGE, renderPage());
await stopLab();
process.exit(failures.length === 0 ? 0 : 1);

function record(scenario: string, disturbance: Disturbance, { end, message, problems }: Outcome): void {
  const { kind, call } = disturbance;
  const how =
    disturbance.kind === "kill" ? "kill -9" : `${kind}, ${disturbance.forMs === 0 ? "once" : "for 10 s"}`;
  const key = `${scenario} | ${how}`;
  const count = counts.get(key) ?? { runs: 0, done: 0, failedClearly: 0, converged: 0 };
  counts.set(key, count);
  count.runs += 1;
  if (end === "done") count.done += 1;
  const isUnclear = end === "failed" && !isClear(message);
  if (end === "failed" && !isUnclear) count.failedClearly += 1;
  if (problems.length === 0 && !isUnclear) {
    count.converged += 1;
    return;
  }
  failures.push(`${key}, call ${call}: ${end} ${JSON.stringify(message)}: ${problems.join("; ")}`);
  say(failures.at(-1) ?? "");
}

function renderTable(): string[] {
  const rows = [...counts].map(
    ([key, { runs, done, failedClearly, converged }]) =>
      `| ${key} | ${runs} | ${done} | ${failedClearly} | ${converged} |`,
  );
  return [
    "| command | disturbance | runs | finished by itself | failed with a message | converged |",
    "|---|---|---|---|---|---|",
    ...rows,
  ];
}

function renderPage(): string {
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
    "A command that failed said why in one message.",
    "",
    ...renderTable(),
  ].join("\n")}\n`;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
