import { expect, test } from "bun:test";
import { describeBehavior } from "../../src/topology/describe.ts";
import { PLAIN_BEHAVIOUR } from "../../src/topology/model.ts";
import { parseTopology } from "../../src/topology/parse.ts";

function describe(entry: string): string[] {
  const text = `apiVersion: chain-link.dev/v1\nkind: Topology\nservices:\n  a: { entry: true, ${entry} }\n`;
  const service = parseTopology(text, "t.yaml").services.get("a");
  return describeBehavior(service?.behavior ?? PLAIN_BEHAVIOUR);
}

test.each([
  ["latency: 5ms", ["waits 5 ms"]],
  ["latency: { uniform: [1ms, 3ms], probability: 10% }", ["waits 1 to 3 ms for 10 % of requests"]],
  ["latency: { p50: 2ms, p99: 40ms }", ["waits p50 2 ms, p99 40 ms"]],
  ["cpu: { exponential: 300us }", ["uses the CPU for 0.3 ms on average (exponential)"]],
  ["errors: 0.5%", ["answers 0.5 % of requests with 500"]],
  [
    "errors: [{ rate: 1%, kind: reset }, { rate: 2%, kind: silence }]",
    ["resets the connection of 1 % of requests", "never answers 2 % of requests"],
  ],
  ["response: { normal: { mean: 4KiB, deviation: 1KiB } }", ["answers with 4096 ± 1024 bytes (normal)"]],
  [
    "memory: { held: 64MiB, perRequest: 1KiB }",
    ["holds 64MiB of memory", "holds 1KiB of memory per request"],
  ],
  ["concurrency: 10", ["serves at most 10 requests concurrently"]],
  ["rateLimit: 0.5", ["admits at most 0.5 requests per second"]],
  [
    "startup: 5s, slowStart: 30s",
    ["needs 5000 ms to start", "starts 10 times slower, at full speed after 30000 ms"],
  ],
])("a service with %s is described", (entry, lines) => {
  expect(describe(entry)).toEqual(lines);
});

test("the description of a plain service has no lines", () => {
  expect(describeBehavior(PLAIN_BEHAVIOUR)).toEqual([]);
});

test("the description of a chain includes its random delay", () => {
  const slow = { probability: 0.2, delayMs: 2000 };
  expect(describeBehavior({ ...PLAIN_BEHAVIOUR, slow })).toEqual(["waits 2000 ms for 20 % of requests"]);
});
