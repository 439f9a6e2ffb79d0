/**
 * Measures how long a topology document of 10,000 services takes to parse into a model.
 *
 * - Metrics: wall time of the first run, and the median of several runs in a warm process.
 * - Asserted first: every service exists, and the deadline of the first call covers all links below it.
 * - Goal: under a second.
 */
import assert from "node:assert/strict";
import { isCall } from "../src/topology/model.ts";
import { parseTopology } from "../src/topology/parse.ts";
import { median } from "./process.ts";

const SERVICES = 10_000;
const ROUNDS = 7;
const GOAL_MS = 1000;

const lines = Array.from({ length: SERVICES }, (_, index) => {
  const entry = index === 0 ? "entry: true, " : "";
  const calls = index === SERVICES - 1 ? "" : `s${index + 1}`;
  return `  s${index}: { ${entry}latency: { p50: 2ms, p99: 40ms }, calls: [${calls}] }`;
});
const text = `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n${lines.join("\n")}\n`;
const times: number[] = [];
for (let round = 0; round < ROUNDS; round++) {
  const startMs = performance.now();
  const { services } = parseTopology(text, "bench.yaml");
  times.push(performance.now() - startMs);
  assert.equal(services.size, SERVICES);
  const [first] = services.get("s0")?.steps[0]?.filter(isCall) ?? [];
  assert.equal(first?.timeoutMs, 3000 * (SERVICES - 1));
}
const firstMs = times[0] ?? 0;
console.log(`${SERVICES} services, ${(text.length / 1e6).toFixed(2)} MB of YAML`);
console.log(`first ${firstMs.toFixed(0)} ms, median ${median(times).toFixed(0)} ms`);
console.log(`goal of ${GOAL_MS} ms ${firstMs < GOAL_MS ? "met" : "MISSED"}`);
