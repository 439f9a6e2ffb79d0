/**
 * Measures `chain-link --help` through its launcher, compared with an empty Bun script.
 *
 * - Metric: wall time. The two take turns; the benchmark prints both medians and their difference.
 * - Asserted first: the help is printed and the exit code is 0.
 * - Goal: at most 15 ms more than the empty script.
 */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BUN, EXECUTABLE, median } from "./process.ts";

const ROUNDS = 40;
const GOAL_MS = 15;

const folder = mkdtempSync(join(tmpdir(), "bench-help-"));
try {
  const empty = join(folder, "empty.ts");
  writeFileSync(empty, "");
  const help = Bun.spawnSync([EXECUTABLE, "--help"]);
  assert.equal(help.exitCode, 0);
  assert.match(help.stdout.toString(), /^Commands:$/m);
  const times = { help: [] as number[], empty: [] as number[] };
  for (let round = 0; round < ROUNDS; round++) {
    times.help.push(time([EXECUTABLE, "--help"]));
    times.empty.push(time([BUN, empty]));
  }
  const helpMs = median(times.help);
  const emptyMs = median(times.empty);
  const moreMs = helpMs - emptyMs;
  console.log(`chain-link --help   ${helpMs.toFixed(1)} ms`);
  console.log(`empty Bun script    ${emptyMs.toFixed(1)} ms`);
  console.log(
    `difference          ${moreMs.toFixed(1)} ms (goal: ${GOAL_MS} ms; ${moreMs < GOAL_MS ? "met" : "MISSED"})`,
  );
} finally {
  rmSync(folder, { recursive: true });
}

function time(command: string[]): number {
  const startMs = performance.now();
  Bun.spawnSync(command, { stdout: "ignore", stderr: "ignore" });
  return performance.now() - startMs;
}
