import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { startCollector } from "../../src/collector/server.ts";
import { randomSource } from "../../src/lib/random.ts";
import { parseTopology } from "../../src/topology/parse.ts";
import type { Span } from "../../src/trace/span.ts";
import { markCriticalPath, type PathSegment } from "../../ui/trace/critical-path.ts";
import { modelTrace, type TraceRow } from "../../ui/trace/trace-model.ts";
import { hexId, makeChain } from "../collector/spans.ts";
import { startChain } from "../helpers/chain.ts";

const EXAMPLES = join(import.meta.dir, "../../examples");
/**
 * Number of traces of each example: `TRACES=1000 npx bun test test/ui/critical-path.test.ts` takes about
 * half a minute.
 */
const TRACES = Number(process.env.TRACES ?? 25);
const START = 1_795_000_000_000_000;

/** Times are in microseconds after START. A span that ends when it starts has no duration. */
function span(id: number, parent: number | null, from: number, to: number, more: Partial<Span> = {}): Span {
  return {
    traceId: hexId(1),
    id: hexId(id),
    ...(parent !== null && { parentId: hexId(parent) }),
    timestamp: START + from,
    ...(to > from && { duration: to - from }),
    localEndpoint: { serviceName: "a" },
    ...more,
  };
}

const idsOf = (rows: readonly TraceRow[]) =>
  rows.filter((row) => row.isCritical).map((row) => Number.parseInt(row.span.id, 16));
const criticalOf = (...spans: Span[]) => idsOf(modelTrace(spans).rows).sort((a, b) => a - b);
const ROOT = span(1, null, 0, 100);

describe("the critical path", () => {
  test("contains every span of a chain", () => {
    expect(modelTrace(makeChain(hexId(9), 5, 1000)).rows.every((row) => row.isCritical)).toBe(true);
  });

  test("contains all sequential calls, and of parallel calls the one that ends last", () => {
    expect(criticalOf(ROOT, span(2, 1, 5, 40), span(3, 1, 45, 90))).toEqual([1, 2, 3]);
    expect(criticalOf(ROOT, span(2, 1, 5, 40), span(3, 1, 6, 90))).toEqual([1, 3]);
  });

  test("tolerates 2 µs between the end of one child and the start of the next, and no more", () => {
    expect(criticalOf(ROOT, span(2, 1, 5, 47), span(3, 1, 45, 90))).toEqual([1, 2, 3]);
    expect(criticalOf(ROOT, span(2, 1, 5, 48), span(3, 1, 45, 90))).toEqual([1, 3]);
  });

  test("clips children to their parents, because no call outlasts the root", () => {
    expect(criticalOf(ROOT, span(2, 1, 20, 101), span(3, 2, 30, 101))).toEqual([1, 2, 3]);
    expect(criticalOf(ROOT, span(2, 1, 20, 90), span(3, 1, 95, 500), span(4, 3, 200, 400))).toEqual([
      1, 2, 3,
    ]);
    expect(criticalOf(ROOT, span(2, 1, -50, 40))).toEqual([1, 2]);
    expect(criticalOf(ROOT, span(2, 1, 100, 300), span(3, 1, -90, 0), span(4, 2, 50, 60))).toEqual([1]);
  });

  test("contains the one that began first of children that end together", () => {
    expect(criticalOf(ROOT, span(2, 1, 50, 90), span(3, 1, 20, 90), span(4, 1, 10, 19))).toEqual([1, 3, 4]);
    expect(criticalOf(ROOT, span(2, 1, 50, 300), span(3, 1, 20, 200))).toEqual([1, 3]);
  });

  test("skips spans without a time and continues with their children", () => {
    const { timestamp: _, ...timeless } = span(2, 1, 0, 0);
    expect(criticalOf(ROOT, timeless, span(3, 2, 10, 90))).toEqual([1, 3]);
    expect(criticalOf(ROOT, span(2, 1, 50, 50), span(3, 1, 10, 90))).toEqual([1, 3]);
    expect(criticalOf(span(1, null, 0, 0), span(2, 1, 10, 90))).toEqual([2]);
    expect(criticalOf({ traceId: hexId(1), id: hexId(1) })).toEqual([]);
  });

  test("begins at the root that ends last, not at a span whose parent is missing", () => {
    expect(criticalOf(ROOT, span(2, 1, 10, 90), span(3, 77, 50, 400))).toEqual([1, 2]);
    expect(criticalOf(ROOT, span(2, null, 10, 120), span(3, 2, 20, 110))).toEqual([2, 3]);
    expect(criticalOf(span(1, 99, 0, 50), span(2, 98, 10, 120))).toEqual([2]);
  });

  test("is found in a trace of any depth", () => {
    const spans = Array.from({ length: 20_000 }, (_, id) => span(id + 1, id || null, id, 100_000 - id));
    expect(idsOf(modelTrace(spans).rows)).toHaveLength(20_000);
  });

  test("of random trees equals the result of a walk over every microsecond", () => {
    const tree = fc.array(fc.tuple(fc.nat(), fc.integer({ min: -5, max: 70 }), fc.nat(50)), {
      maxLength: 20,
    });
    fc.assert(
      fc.property(tree, (children) => {
        const spans = [span(1, null, 0, 60)];
        for (const [at, [parent, from, duration]] of children.entries())
          spans.push(span(at + 2, (parent % (at + 1)) + 1, from, from + duration));
        expectSame(spans);
      }),
      { numRuns: 500 },
    );
  });
});

for (const file of readdirSync(EXAMPLES).filter((name) => name.endsWith(".yaml"))) {
  test(`${TRACES} traces of examples/${file}: the critical path equals the result of a walk over every microsecond`, async () => {
    const topology = parseTopology(readFileSync(join(EXAMPLES, file), "utf8"), file, { slow: false });
    const collector = startCollector({ host: "127.0.0.1", port: 0 });
    const chain = startChain(topology, {
      link: { target: { kind: "zipkin", url: collector.url }, randomOf: randomSource("critical-path") },
    });
    try {
      const headers = { "X-Current-Service": topology.entry };
      const send = async () => await (await fetch(chain.url, { headers })).text();
      for (let sent = 0; sent < TRACES; sent += 5) await Promise.all(Array.from({ length: 5 }, send));
      await chain.stop();
      const response = await fetch(`${collector.url}/api/v2/traces?limit=${TRACES}`);
      const traces = (await response.json()) as Span[][];
      expect(traces).toHaveLength(TRACES);
      for (const spans of traces) expectSame(spans);
    } finally {
      await chain[Symbol.asyncDispose]();
      await collector.stop();
    }
  }, 120_000);
}

function expectSame(spans: readonly Span[]): void {
  const { rows } = modelTrace(spans);
  const segments = markCriticalPath(rows);
  const { root, owners, path } = walkBackwards(rows);
  expectGapless(segments, rows[root] as TraceRow);
  const isOwned = ({ index, from, to }: PathSegment) => {
    for (let at = from; at < to; at++) if (owners.get(at) !== index) return false;
    return true;
  };
  expect(segments.filter((segment) => !isOwned(segment))).toEqual([]);
  expect(rows.filter((row) => row.isCritical).map((row) => row.index)).toEqual(
    [...path].sort((a, b) => a - b),
  );
}

/** Checks that each moment of the root's duration belongs to exactly one span. */
function expectGapless(segments: readonly PathSegment[], root: TraceRow): void {
  let moment = (root.start ?? 0) + root.duration;
  for (const { from, to } of segments) {
    expect(to).toBe(moment);
    expect(from).toBeLessThan(to);
    moment = from;
  }
  expect(moment).toBe(root.start ?? Number.NaN);
}

/**
 * Finds the path in the slow, obvious way: microsecond by microsecond from the end, entering and leaving
 * spans.
 */
function walkBackwards(rows: readonly TraceRow[]) {
  const parentOf = ({ parent }: TraceRow): number =>
    rows[parent]?.duration === 0 ? parentOf(rows[parent] as TraceRow) : parent;
  const parts = rows.map((row) => {
    const start = row.start ?? 0;
    return { row, parent: parentOf(row), start, end: start + row.duration };
  });
  for (const part of parts) {
    const parent = parts[part.parent];
    if (parent === undefined) continue;
    part.start = Math.max(part.start, parent.start);
    part.end = Math.min(part.end, parent.end);
  }
  const top = parts.filter(({ parent }) => parent < 0).sort((a, b) => b.end - a.end)[0] as (typeof parts)[0];
  const owners = new Map<number, number>();
  const path = new Set([top.row.index]);
  const entered = [top];
  /**
   * True if the walk has just come back to the last entered span: a child of it may have ended up to 2 µs
   * later.
   */
  let isBack = true;
  for (let at = top.end; at > top.start; at--) {
    for (;;) {
      while ((entered.at(-1) as typeof top).start >= at) {
        entered.pop();
        isBack = true;
      }
      const last = entered.at(-1) as typeof top;
      const [child] = parts
        .filter(({ row, parent }) => parent === last.row.index && row.duration > 0)
        .filter(({ start, end }) => start < at && start < end && end >= at && end <= at + (isBack ? 2 : 0))
        .sort((a, b) => b.end - a.end || a.start - b.start);
      if (child === undefined) break;
      entered.push(child);
      path.add(child.row.index);
      isBack = true;
    }
    isBack = false;
    owners.set(at - 1, (entered.at(-1) as typeof top).row.index);
  }
  return { root: top.row.index, owners, path };
}
