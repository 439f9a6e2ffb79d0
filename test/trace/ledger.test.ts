import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  addLedger,
  addSpan,
  addUnknown,
  EMPTY_LEDGER,
  formatLedger,
  type Ledger,
  type LedgerSpan,
  parseLedger,
} from "../../src/trace/ledger.ts";

const word = fc.integer({ min: 0, max: 0xffffffff });
const ledger: fc.Arbitrary<Ledger> = fc.record({
  count: fc.integer({ min: 0, max: 1e8 }),
  high: word,
  low: word,
  unknown: fc.integer({ min: 0, max: 1e8 }),
});
const id = fc.bigInt({ min: 1n, max: 2n ** 64n - 1n }).map((value) => value.toString(16).padStart(16, "0"));
const span: fc.Arbitrary<LedgerSpan> = fc.record({
  id,
  parentId: fc.option(id),
  kind: fc.constantFrom("SERVER", "CLIENT", "PRODUCER", "CONSUMER", undefined),
  serviceName: fc.string({ maxLength: 20 }),
});

function ledgerOf(spans: readonly LedgerSpan[]): Ledger {
  return spans.reduce((sum, one) => addSpan(sum, one), EMPTY_LEDGER);
}

describe("the ledger agrees with an independent implementation", () => {
  test.each([
    ["00000000000000ff", null, "SERVER", "a", "4905f7f2a9f705ec"],
    ["53995c3f42cd8ad8", "fedcba9876543210", "CLIENT", "Chain-Link-Service-0", "7f5c5033d0877c2d"],
    ["ffffffffffffffff", "0000000000000001", undefined, "zürich", "4b7c28a6f2773fdd"],
    ["0123456789abcdef", "0123456789abcdee", "PRODUCER", "", "d8eb0dd49ef0ce51"],
  ])("%s under %s, %s of %j", (spanId, parentId, kind, serviceName, digest) => {
    expect(formatLedger(ledgerOf([{ id: spanId, parentId, kind, serviceName }]))).toBe(`1-${digest}`);
  });
});

test("the order and grouping of spans do not change the ledger", () => {
  fc.assert(
    fc.property(fc.array(span, { maxLength: 30 }), fc.nat(), (spans, cut) => {
      const at = spans.length === 0 ? 0 : cut % spans.length;
      const whole = ledgerOf(spans);
      expect(ledgerOf(spans.toReversed())).toEqual(whole);
      expect(addLedger(ledgerOf(spans.slice(0, at)), ledgerOf(spans.slice(at)))).toEqual(whole);
    }),
  );
});

test("a lost, duplicated or altered span changes the ledger", () => {
  fc.assert(
    fc.property(fc.array(span, { minLength: 1, maxLength: 9 }), span, fc.nat(), (spans, other, pick) => {
      const whole = formatLedger(ledgerOf(spans));
      const at = pick % spans.length;
      const one = spans[at] ?? other;
      expect(formatLedger(ledgerOf(spans.toSpliced(at, 1)))).not.toBe(whole);
      expect(formatLedger(ledgerOf([...spans, one]))).not.toBe(whole);
      for (const altered of [
        { ...one, id: other.id },
        { ...one, parentId: one.parentId === null ? other.id : null },
        { ...one, kind: one.kind === "SERVER" ? "CLIENT" : "SERVER" },
        { ...one, serviceName: `${one.serviceName}x` },
      ]) {
        if (
          altered.id === one.id &&
          altered.parentId === one.parentId &&
          altered.kind === one.kind &&
          altered.serviceName === one.serviceName
        )
          continue;
        expect(formatLedger(ledgerOf(spans.toSpliced(at, 1, altered)))).not.toBe(whole);
      }
    }),
  );
});

test("the case of a service name does not matter, because backends store it in lower case", () => {
  const one = { id: "00000000000000ff", parentId: null, kind: "SERVER", serviceName: "Shop-A" };
  expect(ledgerOf([one])).toEqual(ledgerOf([{ ...one, serviceName: "shop-a" }]));
});

test("a formatted ledger is parsed back", () => {
  fc.assert(fc.property(ledger, (value) => expect(parseLedger(formatLedger(value))).toEqual(value)));
  expect(formatLedger(EMPTY_LEDGER)).toBe("0-0000000000000000");
  expect(formatLedger(addUnknown(EMPTY_LEDGER))).toBe("0-0000000000000000-1");
});

test.each([
  "",
  "1",
  "1-",
  "1-123",
  "-1-0123456789abcdef",
  "1-0123456789ABCDEF",
  "1-0123456789abcdef-0",
  "1-0123456789abcdef-x",
  "1-0123456789abcdef-1-1",
  "9999999999-0123456789abcdef",
  " 1-0123456789abcdef",
])("%j is no ledger", (text) => {
  expect(parseLedger(text)).toBeNull();
});
