import { expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { compareTraces } from "../../ui/trace/compare-model.ts";
import { modelTrace } from "../../ui/trace/trace-model.ts";

/**
 * A front that calls services concurrently, starting in the given order, with or without the names of
 * callees.
 */
function fanOut(traceId: string, callees: readonly string[], isNamed: boolean): Span[] {
  const start = 1_795_000_000_000_000;
  const root: Span = {
    traceId,
    id: "1",
    kind: "SERVER",
    name: "get /",
    timestamp: start,
    duration: 9000,
    localEndpoint: { serviceName: "front" },
  };
  const calls = callees.flatMap((serviceName, index): Span[] => {
    const timestamp = start + 1000 + index;
    const remoteEndpoint = isNamed ? { remoteEndpoint: { serviceName } } : {};
    const call = { traceId, id: `a${index}`, parentId: "1", name: "get", timestamp, duration: 500 };
    return [
      { ...call, kind: "CLIENT", localEndpoint: { serviceName: "front" }, ...remoteEndpoint },
      { ...call, id: `b${index}`, parentId: call.id, kind: "SERVER", localEndpoint: { serviceName } },
    ];
  });
  return [root, ...calls];
}

test.each([true, false])(
  "concurrent calls are matched by their callee, whatever order they began in (named: %p)",
  (isNamed) => {
    const a = modelTrace(fanOut("aa", ["reviews", "ads"], isNamed));
    const b = modelTrace(fanOut("bb", ["ads", "reviews", "checkout"], isNamed));
    const rows = compareTraces(a, b);
    const said = rows.map(({ depth, a: left, b: right }) => [depth, left?.service, right?.service]);
    expect(said).toEqual([
      [0, "front", "front"],
      [1, "front", "front"],
      [2, "reviews", "reviews"],
      [1, "front", "front"],
      [2, "ads", "ads"],
      [1, undefined, "front"],
      [2, undefined, "checkout"],
    ]);
  },
);
