import { describe, expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { layOutLanes } from "../../ui/trace/flame-lanes.ts";
import { modelTrace } from "../../ui/trace/trace-model.ts";
import { hexId } from "../collector/spans.ts";

const START = 1_795_000_000_000_000;

/** A span of service `name`. Times are in microseconds after START. */
function span(
  id: number,
  parent: number | null,
  name: string,
  from: number,
  to: number,
  more: Partial<Span> = {},
): Span {
  return {
    traceId: hexId(1),
    id: hexId(id),
    ...(parent !== null && { parentId: hexId(parent) }),
    name,
    timestamp: START + from,
    duration: to - from,
    localEndpoint: { serviceName: name },
    ...more,
  };
}

describe("lanes of a flame graph", () => {
  test("concurrent spans never share a line, and callees are below callers", () => {
    const spans = [
      span(1, null, "root", 0, 100),
      span(2, 1, "a", 10, 60),
      span(3, 2, "below a", 20, 50),
      span(4, 1, "b", 15, 55),
      span(5, 1, "after", 70, 90),
    ];
    const { rows } = modelTrace(spans);
    const { lines, count } = layOutLanes(rows);
    const lineOf = (name: string) => lines[rows.findIndex((row) => row.span.name === name)];
    expect([lineOf("root"), lineOf("a"), lineOf("below a"), lineOf("b"), lineOf("after")]).toEqual([
      0, 1, 2, 3, 1,
    ]);
    expect(count).toBe(4);
  });

  test("20,000 spans of any shape never overlap", () => {
    const spans = [span(1, null, "root", 0, 1_000_000)];
    for (let id = 2; id <= 20_000; id++) {
      const parent = Math.floor(id / 3) || 1;
      const from = (id * 7919) % 900_000;
      spans.push(span(id, parent, "x", from, from + ((id * 31) % 500) + 1));
    }
    const { rows } = modelTrace(spans);
    const { lines } = layOutLanes(rows);
    let overlaps = 0;
    const byLine = Map.groupBy(rows.keys(), (place) => lines[place]);
    for (const places of byLine.values()) {
      const sorted = places.map((place) => rows[place]).sort((a, b) => (a?.start ?? 0) - (b?.start ?? 0));
      for (const [at, row] of sorted.entries()) {
        const before = sorted[at - 1];
        if (before === undefined || row === undefined) continue;
        if ((before.start ?? 0) + before.duration > (row.start ?? 0)) overlaps++;
      }
    }
    expect(overlaps).toBe(0);
  });
});
