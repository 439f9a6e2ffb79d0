import { expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../src/http/byte-writer.ts";
import { RequestLedger } from "../../src/link/request-ledger.ts";
import { NO_SPAN, SpanId } from "../../src/link/span-id.ts";
import {
  addLedger,
  addSpan,
  EMPTY_LEDGER,
  formatLedger,
  hashService,
  KIND_WORDS,
  type Ledger,
  parseLedger,
} from "../../src/trace/ledger.ts";

const word = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const ledgers: fc.Arbitrary<Ledger> = fc.record({
  count: fc.nat({ max: 999_999_999 }),
  high: word,
  low: word,
  unknown: fc.nat({ max: 999_999_999 }),
});
const ids = fc.tuple(word, word).map((words) => words.map((it) => it.toString(16).padStart(8, "0")).join(""));

function textOf(ledger: RequestLedger): string {
  const out = new ByteWriter(0);
  ledger.write(out);
  return out.take().toString();
}

function takeIn(ledger: RequestLedger, text: string): boolean {
  const bytes = Buffer.from(`x${text}y`, "latin1");
  return ledger.takeIn(bytes, 1, bytes.length - 1);
}

function spanIdOf(digits: string): SpanId {
  const id = new SpanId();
  id.take(Number.parseInt(digits.slice(0, 8), 16), Number.parseInt(digits.slice(8), 16));
  return id;
}

test("a new id and its digits have the same value", () => {
  const digits = Buffer.from(".".repeat(18));
  const id = new SpanId();
  id.renew(digits, 1);
  expect(id).toEqual(spanIdOf(digits.toString("latin1", 1, 17)));
  expect(digits.toString("latin1")).toMatch(/^\.[0-9a-f]{16}\.$/);
});

test("spans and ledgers add up as in the plain implementation", () => {
  const spans = fc.record({
    id: ids,
    parentId: fc.option(ids),
    kind: fc.constantFrom("CLIENT", "SERVER"),
    serviceName: fc.string(),
  });
  fc.assert(
    fc.property(fc.array(spans), fc.array(ledgers, { maxLength: 1 }), (added, below) => {
      const ledger = new RequestLedger();
      let plain = EMPTY_LEDGER;
      for (const span of added) {
        const parent = span.parentId === null ? NO_SPAN : spanIdOf(span.parentId);
        const service = hashService(span.serviceName);
        ledger.addSpan(spanIdOf(span.id), parent, KIND_WORDS[span.kind] ?? 0, service);
        plain = addSpan(plain, span);
      }
      for (const other of below) {
        expect(takeIn(ledger, formatLedger(other))).toBeTrue();
        plain = addLedger(plain, other);
      }
      expect(textOf(ledger)).toBe(formatLedger(plain));
    }),
  );
});

test("a malformed ledger is rejected as in the plain implementation, and changes nothing", () => {
  const altered = fc
    .tuple(ledgers, fc.nat({ max: 40 }), fc.constantFrom("", "-", "0", "A", "z", " ", "é", "--"))
    .map(([ledger, at, text]) => {
      const line = formatLedger(ledger);
      return line.slice(0, at) + text + line.slice(at + 1);
    });
  fc.assert(
    fc.property(fc.oneof(altered, fc.string({ unit: "binary-ascii" })), (text) => {
      const ledger = new RequestLedger();
      const isTaken = takeIn(ledger, text);
      const plain = parseLedger(text);
      expect(isTaken).toBe(plain !== null);
      expect(textOf(ledger)).toBe(formatLedger(plain ?? EMPTY_LEDGER));
    }),
    { numRuns: 2000 },
  );
});
