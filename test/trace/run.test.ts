import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { formatRunHeader, parseRunHeader } from "../../src/trace/ledger-file.ts";
import {
  type LedgerRecord,
  readTimedRecord,
  TIMED_BYTES,
  writeTimedRecord,
} from "../../src/trace/ledger-record.ts";
import { isOfAnyRun, newRunId, RunIds } from "../../src/trace/run.ts";

const runIds = fc.tuple(fc.integer({ min: 1, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }));
type Words = [number, number, number, number];
const toRunId = ([high, low]: readonly [number, number]) =>
  high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");

describe("the trace ids of a run", () => {
  test("begin with the run id and lead back to the sequence number", () => {
    fc.assert(
      fc.property(runIds, fc.maxSafeNat(), (run, number) => {
        const sequence = Math.min(number, Number.MAX_SAFE_INTEGER - 1);
        const ids = new RunIds(toRunId(run));
        const traceId = ids.traceId(sequence);
        expect(traceId).toStartWith(ids.runId);
        expect(traceId.slice(16)).not.toBe("0".repeat(16));
        expect(ids.sequenceOf(traceId)).toBe(sequence);
        expect(ids.sequenceOf(traceId.slice(16))).toBe(sequence);
      }),
    );
  });

  test("can be recognized without the run's ledger", () => {
    const isOfRun = (id: string) =>
      isOfAnyRun(...([0, 8, 16, 24].map((at) => Number.parseInt(id.slice(at, at + 8), 16)) as Words));
    fc.assert(
      fc.property(runIds, fc.integer({ min: 0, max: 2 ** 32 - 2 }), (run, sequence) => {
        const id = new RunIds(toRunId(run)).traceId(sequence);
        expect(isOfRun(id)).toBe(true);
        expect(isOfRun(`${id.slice(0, 16)}${newRunId()}`)).toBe(false);
      }),
    );
    expect(isOfRun("0".repeat(32))).toBe(false);
  });

  test("differ, and their low halves spread evenly", () => {
    const ids = new RunIds(newRunId());
    const seen = new Set(Array.from({ length: 100_000 }, (_, sequence) => ids.traceId(sequence)));
    expect(seen.size).toBe(100_000);
    // A backend that samples 1 % by the low half keeps 1 %: 1,000 plus or minus five standard deviations.
    const kept = [...seen].filter((id) => BigInt(`0x${id.slice(16)}`) % 100n === 0n).length;
    expect(Math.abs(kept - 1000)).toBeLessThan(160);
  });

  test("have a uniform random part, the last 7 bytes, whatever the run id (Trace Context Level 2, 3.2.2.5.2)", () => {
    for (const runId of ["0000000000000001", "ffffffffffffffff", newRunId()]) {
      const ids = new RunIds(runId);
      const count = 50_000;
      const expected = count / 256;
      const seen = Array.from({ length: 7 }, () => new Array<number>(256).fill(0));
      let changedBits = 0;
      let previous = 0n;
      for (let sequence = 0; sequence < count; sequence++) {
        const random = ids.traceId(sequence).slice(-14);
        Buffer.from(random, "hex").forEach((byte, at) => {
          (seen[at] as number[])[byte] = ((seen[at] as number[])[byte] as number) + 1;
        });
        const value = BigInt(`0x${random}`);
        changedBits += (value ^ previous).toString(2).replaceAll("0", "").length;
        previous = value;
      }
      for (const byte of seen) {
        const chiSquare = byte.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
        // 255 degrees of freedom: the bounds are more than five standard deviations away on both sides.
        expect(chiSquare).toBeWithin(140, 400);
      }
      // Consecutive ids differ in half of the 56 bits.
      expect(changedBits / count).toBeWithin(27.8, 28.2);
    }
  });

  test("of another run are not recognized", () => {
    const ids = new RunIds("00000000000000aa");
    expect(ids.sequenceOf(new RunIds("00000000000000ab").traceId(7))).toBeNull();
    expect(ids.sequenceOf("abc")).toBeNull();
  });

  test("equal those of other implementations", () => {
    const ids = new RunIds("0123456789abcdef");
    expect([0, 1, 2 ** 40].map((sequence) => ids.traceId(sequence))).toMatchInlineSnapshot(`
      [
        "0123456789abcdef4af6960343bdce5b",
        "0123456789abcdefaac1ccbcc045f1d1",
        "0123456789abcdefee36fce9865fc7f6",
      ]
    `);
  });

  test("cannot be made from a malformed run id", () => {
    for (const text of ["", "0000000000000000", "0123456789ABCDEF", "0123456789abcde"])
      expect(() => new RunIds(text)).toThrow(TypeError);
  });
});

describe("the ledger of a run", () => {
  const words = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const records: fc.Arbitrary<LedgerRecord> = fc.record({
    sequence: words,
    endMs: words,
    status: fc.integer({ min: 0, max: 599 }),
    ledger: fc.option(
      fc.record({ count: words, high: words, low: words, unknown: fc.integer({ min: 0, max: 255 }) }),
    ),
    isSampled: fc.boolean(),
    isBroken: fc.boolean(),
    latencyUs: fc.integer({ min: 1, max: 2 ** 32 - 1 }),
  });

  test("is read back as it was written", () => {
    fc.assert(
      fc.property(records, (record) => {
        const view = new DataView(new ArrayBuffer(TIMED_BYTES * 2));
        writeTimedRecord(view, TIMED_BYTES, record);
        expect(readTimedRecord(view, TIMED_BYTES)).toEqual(record);
      }),
    );
  });

  test("begins with a line that identifies the run", () => {
    const header = { run: "0123456789abcdef", startMs: 1764000000000, url: "http://localhost:8000/" };
    expect(parseRunHeader(formatRunHeader(header).trimEnd())).toEqual(header);
    for (const line of [
      "",
      "chain-link-run 1 {}",
      "chain-link-run 2 {}",
      "chain-link-run 3 {}",
      "chain-link-run 3 {",
    ])
      expect(parseRunHeader(line)).toBeNull();
  });
});
