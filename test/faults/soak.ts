/**
 * Proves that `chain-link verify` raises no false alarm on a busy machine.
 *
 *     bun test/faults/soak.ts [--requests 200000] [--rate 100] [--busy 6]
 *
 * - Scenario: five topologies, one after the other, with retries, deadlines that calls miss, resets, and calls
 *   without an answer. Every span is delivered, so anything but `complete` is a false alarm. `--busy` processes
 *   compete for the processors.
 * - Result: a table with the classes, the failed calls and the load average of each run. The exit code is 0 only
 *   if every verify ends with exit code 0 and no trace is `unknown`.
 */
import { availableParallelism, loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { VerifyResult } from "../../src/contract/verify-result.ts";
import { EXECUTABLE } from "../helpers/cli.ts";

const { values: options } = parseArgs({
  options: {
    requests: { type: "string", default: "200000" },
    rate: { type: "string", default: "100" },
    busy: { type: "string", default: "6" },
  },
});

const ROOT = join(import.meta.dir, "../..");
const TOPOLOGIES = [
  "examples/chain-5.yaml",
  "examples/shop.yaml",
  "examples/faults.yaml",
  "test/faults/soak/retries.yaml",
  "test/faults/soak/tree.yaml",
];
const LOAD_INTERVAL_MS = 5000;

const busy = Array.from({ length: Number(options.busy) }, () =>
  Bun.spawn([process.execPath, "-e", "for (;;);"], { stdout: "ignore", stderr: "ignore" }),
);
let isPassed = true;
try {
  print("| topology | requests | exit | classes | calls that failed | seconds | load average |");
  print("|---|---|---|---|---|---|---|");
  for (const topology of TOPOLOGIES) {
    const requests = Math.ceil(Number(options.requests) / TOPOLOGIES.length);
    const { exitCode, result, seconds, load } = await verify(topology, requests);
    isPassed &&= exitCode === 0 && result.traces.unknown === 0;
    const classes = Object.entries(result.traces)
      .filter(([, count]) => count > 0)
      .map(([name, count]) => `${count} ${name}`)
      .join(", ");
    const failed = result.failedCalls.reduce((sum, { calls }) => sum + calls, 0);
    print(
      `| ${topology} | ${result.requests} | ${exitCode} | ${classes} | ${failed} | ${seconds.toFixed(0)} | ${load.toFixed(1)} |`,
    );
    if (exitCode !== 0) print(JSON.stringify({ ...result, seconds: [] }, null, 1));
  }
  print(`\n${availableParallelism()} processors, ${options.busy} busy processes beside the run.`);
} finally {
  for (const child of busy) child.kill();
}
process.exit(isPassed ? 0 : 1);

/** Runs one verify. The result includes the mean load average. */
async function verify(topology: string, requests: number) {
  const startMs = performance.now();
  const child = Bun.spawn(
    [
      ...[EXECUTABLE, "verify", join(ROOT, topology), "-o", "json", "--quiet"],
      ...["--requests", String(requests), "--rate", `${options.rate}/s`],
    ],
    { stdout: "pipe", stderr: "inherit" },
  );
  const loads = [loadavg()[0] ?? 0];
  const timer = setInterval(() => loads.push(loadavg()[0] ?? 0), LOAD_INTERVAL_MS);
  const [text, exitCode] = await Promise.all([child.stdout.text(), child.exited]);
  clearInterval(timer);
  const result = JSON.parse(text) as VerifyResult;
  const load = loads.reduce((sum, value) => sum + value, 0) / loads.length;
  return { exitCode, result, seconds: (performance.now() - startMs) / 1000, load };
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}
