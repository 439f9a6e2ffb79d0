import { expect, test } from "bun:test";
import { randomSource } from "../../src/lib/random.ts";
import type { Span } from "../../src/trace/span.ts";
import { layOutMinimap, type MinimapGrid } from "../../ui/trace/minimap-grid.ts";
import { modelTrace, type Range, subtreeOf, type TraceRow } from "../../ui/trace/trace-model.ts";
import { hexId } from "../collector/spans.ts";

const START = 1_795_000_000_000_000;

type Counts = Pick<MinimapGrid, "running" | "working" | "failing">;

test("each cell counts the spans that run in it, are busy themselves in it, and fail in it", () => {
  const random = randomSource("minimap")("spans");
  for (let round = 0; round < 200; round++) {
    const trace = modelTrace(makeSpans(random, 1 + Math.floor(random() * 40)));
    const all = { from: 0, to: trace.duration };
    const size = { lines: 1 + Math.floor(random() * 12), columns: 1 + Math.floor(random() * 60) };
    expectCounts(trace.rows, all, size);
    const root = trace.rows[Math.floor(random() * trace.rows.length)] as TraceRow;
    expectCounts(subtreeOf(trace, root), all, size);
  }
});

test("a line belongs to the service that has most of its time, or to none", () => {
  const rows = modelTrace([
    ...["a", "a", "a", "b"].map((service, index) => makeSpan(index, service, index * 10, 10)),
    ...["a", "b", "c", "d"].map((service, index) => makeSpan(4 + index, service, 40 + index * 10, 10)),
  ]).rows;
  const { lines } = layOutMinimap(rows, { from: 0, to: 80 }, { lines: 2, columns: 8 });
  expect(lines.map(({ service }) => service)).toEqual(["a", null]);
});

function expectCounts(
  rows: readonly TraceRow[],
  whole: Range,
  size: { readonly lines: number; readonly columns: number },
): void {
  const { running, working, failing } = layOutMinimap(rows, whole, size);
  expect<Counts>({ running, working, failing }).toEqual(countSlowly(rows, whole, size));
}

/** Counts cell by cell and span by span. */
function countSlowly(
  rows: readonly TraceRow[],
  whole: Range,
  { lines, columns }: { readonly lines: number; readonly columns: number },
): Counts {
  const count = Math.min(lines, rows.length);
  const [running, working, failing] = [0, 1, 2].map(() => new Int32Array(count * columns)) as [
    Int32Array,
    Int32Array,
    Int32Array,
  ];
  const perMicro = columns / Math.max(whole.to - whole.from, 1);
  const isIn = ({ start, duration }: TraceRow, column: number) => {
    if (start === null) return false;
    const first = Math.min(columns - 1, Math.floor((start - whole.from) * perMicro));
    return column === first || (column > first && column < (start + duration - whole.from) * perMicro);
  };
  for (const [place, row] of rows.entries()) {
    const children = rows.filter(({ parent }) => parent === row.index);
    for (let column = 0; column < columns; column++) {
      if (!isIn(row, column)) continue;
      const cell = Math.floor((place * count) / rows.length) * columns + column;
      running[cell] = (running[cell] as number) + 1;
      if (children.some((child) => isIn(child, column))) continue;
      working[cell] = (working[cell] as number) + 1;
      if (row.isError) failing[cell] = (failing[cell] as number) + 1;
    }
  }
  return { running, working, failing };
}

function makeSpans(random: () => number, count: number): Span[] {
  return Array.from({ length: count }, (_, index) => ({
    ...makeSpan(index, `service-${index % 3}`, Math.floor(random() * 1000), Math.floor(random() * 400)),
    ...(index > 0 && { parentId: hexId(1 + Math.floor(random() * index)) }),
    ...(random() < 0.2 && { tags: { error: "500" } }),
    ...(random() < 0.05 && { timestamp: undefined }),
  })) as Span[];
}

function makeSpan(index: number, service: string, from: number, duration: number): Span {
  return {
    traceId: hexId(1),
    id: hexId(index + 1),
    name: "get",
    timestamp: START + from,
    duration,
    localEndpoint: { serviceName: service },
  };
}
