import { expect, test } from "bun:test";
import { parseTopology } from "../../../src/topology/parse.ts";
import { graphOf } from "../../../src/verify/judge/call-graph.ts";

test("a service's own errors are the statuses that its behaviors can produce", () => {
  const { services } = graphOf(
    parseTopology(
      `apiVersion: chain-link.dev/v1
kind: Topology
services:
  a: { entry: true, latency: 1ms }
  b: { errors: [{ rate: 1%, status: 501 }, { rate: 1%, kind: reset }, { rate: 1% }] }
  c: { concurrency: 5 }
  d: { rateLimit: 10 }
  e: { memory: { perRequest: 1MiB }, rateLimit: { perSecond: 1, status: 420 } }
  f: { startup: 1s, memory: 1MiB }
`,
      "t.yaml",
    ),
  );
  expect([...services.values()].map(({ name, ownErrors }) => [name, ownErrors])).toEqual([
    ["a", []],
    ["b", [501, 500]],
    ["c", [503]],
    ["d", [429]],
    ["e", [503, 420]],
    ["f", [503]],
  ]);
});
