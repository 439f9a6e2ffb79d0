/**
 * Measures `up` with 1,000 links in one process.
 *
 * - Metrics: time until the line of `-o json`, time of the first and the median request through all links, and
 *   peak memory after the traces have arrived (Linux only).
 * - Asserted: the last link answers each request, and each trace has all its 1,999 spans.
 * - Goals: ready in under 3 s, under 300 MB.
 */
import assert from "node:assert/strict";
import { median, readMemory, startUp } from "./process.ts";

const LINKS = 1000;
const REQUESTS = 10;
const GOAL = { readyMs: 3000, peakBytes: 300e6 };

const up = await startUp(["--instances", String(LINKS), "--slow", "off", "--no-load"]);
assert.equal(up.links.length, LINKS);
const times: number[] = [];
const traceIds: string[] = [];
for (let request = 0; request < REQUESTS; request++) {
  const startMs = performance.now();
  const answer = await fetch(up.entry);
  assert.match(await answer.text(), new RegExp(`chain-link-service-${LINKS - 1}"`));
  times.push(performance.now() - startMs);
  traceIds.push(answer.headers.get("traceresponse")?.split("-")[1] ?? "");
}
for (const id of traceIds) assert.equal(await countSpans(id), 2 * LINKS - 1);
const peakBytes = readMemory(up.pid, "VmHWM");
assert.equal(await up.stop(), 130);

const isMet = up.readyMs < GOAL.readyMs && peakBytes < GOAL.peakBytes;
console.log(`${LINKS} links ready in      ${up.readyMs.toFixed(0)} ms`);
console.log(
  `request through all links ${(times[0] ?? 0).toFixed(0)} ms first, ${median(times).toFixed(0)} ms median of ${REQUESTS}`,
);
console.log(`peak memory               ${(peakBytes / 1e6).toFixed(0)} MB`);
console.log(`goal of ${GOAL.readyMs} ms, ${GOAL.peakBytes / 1e6} MB    ${isMet ? "met" : "MISSED"}`);

/** Polls for the spans of a trace until all have arrived. */
async function countSpans(id: string): Promise<number> {
  let count = 0;
  for (let attempt = 0; attempt < 100 && count < 2 * LINKS - 1; attempt++) {
    const answer = await fetch(`${up.collector}/api/v2/trace/${id}`);
    count = answer.ok ? ((await answer.json()) as unknown[]).length : 0;
    if (count < 2 * LINKS - 1) await Bun.sleep(100);
  }
  return count;
}
