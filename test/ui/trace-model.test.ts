import { describe, expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { layOutLanes } from "../../ui/trace/flame-lanes.ts";
import { modelTrace } from "../../ui/trace/trace-model.ts";
import { hexId, makeChain } from "../collector/spans.ts";

const START = 1_795_000_000_000_000;

/** A span of service `name`; times in microseconds after START. */
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

const criticalOf = (spans: readonly Span[]) =>
  modelTrace(spans)
    .rows.filter((row) => row.isCritical)
    .map((row) => row.span.name);

describe("the critical path", () => {
  test("of a chain is all of it", () => {
    expect(modelTrace(makeChain(hexId(9), 5, 1000)).rows.every((row) => row.isCritical)).toBe(true);
  });

  test("of calls one after the other are all, of calls at the same time only the one that ends last", () => {
    const inTurn = [span(1, null, "root", 0, 100), span(2, 1, "a", 5, 40), span(3, 1, "b", 45, 90)];
    expect(criticalOf(inTurn)).toEqual(["root", "a", "b"]);
    const together = [span(1, null, "root", 0, 100), span(2, 1, "a", 5, 40), span(3, 1, "b", 6, 90)];
    expect(criticalOf(together)).toEqual(["root", "b"]);
  });

  test("leaves out what ends after its parent, as nobody waited for it, and what it calls", () => {
    const spans = [
      span(1, null, "root", 0, 100),
      span(2, 1, "awaited", 10, 90),
      span(3, 1, "late", 10, 300),
      span(4, 3, "below late", 20, 50),
    ];
    expect(criticalOf(spans)).toEqual(["root", "awaited"]);
  });

  test("follows the callee of a callee, and of several roots the one that ends last", () => {
    const spans = [
      span(1, null, "first", 0, 50),
      span(2, null, "second", 10, 120),
      span(3, 2, "child", 20, 110),
      span(4, 3, "grandchild", 30, 100),
    ];
    expect(criticalOf(spans)).toEqual(["second", "child", "grandchild"]);
  });
});

describe("clock skew", () => {
  const client = (from: number, to: number) => span(2, 1, "a", from, to, { kind: "CLIENT" });
  const server = (from: number, to: number) => span(3, 2, "b", from, to, { kind: "SERVER" });
  const root = span(1, null, "a", 0, 1000, { kind: "SERVER" });

  test("a server outside of its client's span is moved into the middle, with all below it, and it is said whose clock it is", () => {
    const { rows, skews } = modelTrace([
      root,
      client(100, 500),
      server(5100, 5300),
      span(4, 3, "b", 5150, 5200),
    ]);
    expect([...skews]).toEqual([["b", -4900]]);
    expect(rows.map((row) => row.start)).toEqual([0, 100, 200, 250]);
  });

  test("a server within its client's span is left where it is", () => {
    const { rows, skews } = modelTrace([root, client(100, 500), server(101, 499)]);
    expect(skews.size).toBe(0);
    expect(rows.map((row) => row.start)).toEqual([0, 100, 101]);
  });

  test("a server that went on after its client gave up says nothing of its clock, unless it began before", () => {
    expect(modelTrace([root, client(100, 200), server(150, 900)]).skews.size).toBe(0);
    expect([...modelTrace([root, client(100, 200), server(50, 900)]).skews]).toEqual([["b", 50]]);
  });

  test("spans of one service have one clock", () => {
    const own = span(3, 2, "a", 5000, 5100, { kind: "SERVER" });
    expect(modelTrace([root, client(100, 500), own]).skews.size).toBe(0);
  });
});

describe("lanes of a flame graph", () => {
  test("what runs at the same time never shares a line, and callees are below callers", () => {
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

  test("20,000 spans of any shape overlap nowhere", () => {
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
