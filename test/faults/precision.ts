/**
 * Injects one kind of fault after the other into running chains, and compares the injected faults with those
 * that verify reports. The injectors record the ground truth. Writes the table between the markers of
 * docs/verify.md.
 *
 *     bun test/faults/precision.ts [--requests N] [FILTER]
 *
 * It sends N requests for each fault, 300 by default. FILTER is a part of the name of a fault; with it, the
 * table is only printed. Takes about 3 minutes. The exit code is 1 if precision or recall is below 1. Needs
 * nginx.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import type { Comparison } from "./fault-case.ts";
import { PRECISION_CASES } from "./precision-cases.ts";

const PAGE = new URL("../../docs/verify.md", import.meta.url);
const { values, positionals } = parseArgs({
  options: { requests: { type: "string", default: "300" } },
  allowPositionals: true,
});
const filter = positionals[0] ?? "";

const rows: string[] = [];
let areAllRight = true;
for (const { fault, limit, run } of PRECISION_CASES.filter((one) => one.fault.includes(filter))) {
  const comparison = await run(Number(values.requests));
  const { injected, reported } = comparison;
  const correct = countCorrect(comparison);
  const isRight = correct === injected.length && correct === reported.length;
  areAllRight &&= isRight;
  const note = isRight || limit === undefined ? "" : `: ${limit}`;
  const row = `| ${fault}${note} | ${injected.length} | ${correct} | ${share(correct, reported.length)} | ${share(correct, injected.length)} |`;
  console.log(row);
  if (!isRight) console.error(describeDifference(comparison));
  rows.push(row);
}
if (filter === "") writeTable(rows);
process.exitCode = areAllRight ? 0 : 1;

/**
 * Counts the statements that both lists contain. A repeated statement counts as often as in the list that has fewer of
 * it.
 */
function countCorrect({ injected, reported }: Comparison): number {
  const counts = Map.groupBy(injected, (statement) => statement);
  return Map.groupBy(reported, (statement) => statement)
    .entries()
    .reduce((sum, [statement, said]) => sum + Math.min(said.length, counts.get(statement)?.length ?? 0), 0);
}

/** Precision and recall, rounded down, so that 1.0 is exact. */
function share(correct: number, all: number): string {
  if (all === 0) return "–";
  return correct === all ? "1.0" : (Math.floor((1000 * correct) / all) / 1000).toFixed(3);
}

function describeDifference({ injected, reported }: Comparison): string {
  const first = (list: readonly string[], other: readonly string[]) =>
    list.filter((statement) => !other.includes(statement)).slice(0, 5);
  return JSON.stringify(
    { notReported: first(injected, reported), notInjected: first(reported, injected) },
    null,
    1,
  );
}

function writeTable(table: readonly string[]): void {
  const page = readFileSync(PAGE, "utf8");
  const start = "<!-- precision -->";
  const end = "<!-- /precision -->";
  const from = page.indexOf(start);
  const to = page.indexOf(end);
  if (from < 0 || to < from) throw new Error(`docs/verify.md has no ${start} … ${end}`);
  const head = "| fault | injected | reported correctly | precision | recall |\n|---|---|---|---|---|";
  writeFileSync(
    PAGE,
    `${page.slice(0, from + start.length)}\n\n${head}\n${table.join("\n")}\n\n${page.slice(to)}`,
  );
}
