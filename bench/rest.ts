/**
 * Measures the memory of idle links, in one process and with `--processes` (Linux only).
 *
 * - Scenario: `up --no-load`; one request goes through the chain, then nothing happens for two seconds.
 * - Metrics: resident memory of all processes, compared with one link; with `--processes` also the memory that
 *   they do not share (anonymous memory).
 * - Asserted first: the request reached the last link.
 */
import assert from "node:assert/strict";
import { processTree, readMemory, startUp } from "./process.ts";

const base = await measure(1, []);
console.log(`1 link, in one process        ${mb(base.residentBytes)} in all`);
for (const links of [10, 100, 1000]) {
  const found = await measure(links, []);
  const each = (found.residentBytes - base.residentBytes) / (links - 1);
  console.log(
    `${String(links).padEnd(4)} links, in one process   ${mb(found.residentBytes)} in all, ${(each / 1024).toFixed(0)} KiB per link`,
  );
}
const processes = await measure(10, ["--processes"]);
const each = (processes.residentBytes - base.residentBytes) / 10;
const own = (processes.anonymousBytes - base.anonymousBytes) / 10;
console.log(
  `10   links, --processes       ${mb(processes.residentBytes)} in all, ${mb(each)} a link (${mb(own)} of its own)`,
);

async function measure(links: number, flags: readonly string[]) {
  const up = await startUp(["--instances", String(links), "--slow", "off", "--no-load", ...flags]);
  const answer = await fetch(up.entry);
  assert.match(await answer.text(), new RegExp(`chain-link-service-${links - 1}"`));
  await Bun.sleep(2000);
  const pids = processTree(up.pid);
  assert.equal(pids.length, flags.includes("--processes") ? links + 1 : 1);
  const sum = (field: "VmRSS" | "RssAnon") => pids.reduce((total, pid) => total + readMemory(pid, field), 0);
  const found = { residentBytes: sum("VmRSS"), anonymousBytes: sum("RssAnon") };
  await up.stop();
  return found;
}

function mb(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
