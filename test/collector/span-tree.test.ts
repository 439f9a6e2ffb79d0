import { expect, test } from "bun:test";
import fc from "fast-check";
import type { Span } from "../../src/trace/span.ts";
import { arrangeSpans } from "../../src/trace/span-tree.ts";
import { hexId, makeChain, makeSpan } from "./spans.ts";

function outline(spans: readonly Span[]): string[] {
  return arrangeSpans(spans).map(
    ({ span, depth, isOrphan }) =>
      `${".".repeat(depth)}${Number.parseInt(span.id, 16)}${isOrphan ? "?" : ""}`,
  );
}

test("each span is below its parent, and siblings are in order of time", () => {
  const spans = [
    makeSpan({ id: hexId(4), parentId: hexId(2), timestamp: 25 }),
    makeSpan({ id: hexId(3), parentId: hexId(1), timestamp: 30 }),
    makeSpan({ id: hexId(2), parentId: hexId(1), timestamp: 20 }),
    makeSpan({ id: hexId(1), timestamp: 10 }),
  ];
  expect(outline(spans)).toEqual(["1", ".2", "..4", ".3"]);
});

test("a span whose parent is missing is a root and marked", () => {
  expect(outline([makeSpan({ id: hexId(2), parentId: hexId(9) })])).toEqual(["2?"]);
});

test("the server half of a shared span is below the client half and above its calls", () => {
  const spans = [
    makeSpan({ id: hexId(3), parentId: hexId(2), timestamp: 30, kind: "CLIENT" }),
    makeSpan({ id: hexId(2), parentId: hexId(1), timestamp: 20, kind: "SERVER", shared: true }),
    makeSpan({ id: hexId(2), parentId: hexId(1), timestamp: 15, kind: "CLIENT" }),
    makeSpan({ id: hexId(1), timestamp: 10 }),
  ];
  expect(outline(spans)).toEqual(["1", ".2", "..2", "...3"]);
});

test("spans in a cycle are shown", () => {
  const spans = [
    makeSpan({ id: hexId(1), parentId: hexId(2), timestamp: 1 }),
    makeSpan({ id: hexId(2), parentId: hexId(1), timestamp: 2 }),
  ];
  expect(outline(spans)).toEqual(["1", ".2"]);
});

test("a chain of 5,000 links is nested 9,999 levels deep", () => {
  const rows = arrangeSpans(makeChain(hexId(1), 5000, 1).reverse());
  expect(rows.map((row) => row.depth)).toEqual(rows.map((_, index) => index));
  expect(rows).toHaveLength(9999);
});

test("every span has exactly one row", () => {
  const id = fc.nat(6).map(hexId);
  const fields = fc.record(
    { id, parentId: id, timestamp: fc.nat(9), shared: fc.constant(true) },
    { requiredKeys: ["id"] },
  );
  fc.assert(
    fc.property(fc.array(fields), (list) => {
      const spans = list.map((span) => makeSpan(span));
      const shown = arrangeSpans(spans).map((row) => row.span);
      expect(new Set(shown)).toEqual(new Set(spans));
      expect(shown).toHaveLength(spans.length);
    }),
  );
});
