import { expect, test } from "bun:test";
import { summarizeTrace } from "../../src/contract/trace-summary.ts";
import { hexId, makeChain, makeSpan } from "./spans.ts";

test("a chain is summarized by its root, whatever the order of its spans", () => {
  const summary = {
    traceId: hexId(1),
    serviceName: "chain-link-service-0",
    spanName: "forward",
    timestamp: 1_700_000_000_000_000,
    duration: 2000,
    spanCount: 9,
    errorCount: 0,
    serviceCount: 5,
  };
  const chain = makeChain(hexId(1), 5, 1_700_000_000_000);
  expect(summarizeTrace(chain)).toEqual(summary);
  expect(summarizeTrace(chain.reverse())).toEqual(summary);
});

test("the earliest span summarizes a trace without a root", () => {
  const chain = makeChain(hexId(1), 3, 1_700_000_000_000).slice(2);
  expect(summarizeTrace(chain.reverse())).toMatchObject({
    serviceName: "chain-link-service-1",
    spanCount: 3,
  });
});

test("the tag `error` marks a failed span, whatever its value", () => {
  const spans = [
    makeSpan({ tags: { error: "" } }),
    makeSpan({ tags: { error: "false" } }),
    makeSpan({ tags: {} }),
  ];
  expect(summarizeTrace(spans).errorCount).toBe(2);
});

test("a trace that has only an ID has a summary", () => {
  expect(summarizeTrace([makeSpan()])).toEqual({
    traceId: hexId(1),
    timestamp: 0,
    duration: 0,
    spanCount: 1,
    errorCount: 0,
    serviceCount: 0,
  });
});
