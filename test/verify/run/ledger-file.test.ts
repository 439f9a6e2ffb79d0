import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SEALED_BYTES } from "../../../src/trace/ledger-file.ts";
import type { LedgerRecord } from "../../../src/trace/ledger-record.ts";
import { parseLedger } from "../../../src/verify/run/ledger-file.ts";
import { ledgerBytes } from "../../helpers/ledger.ts";

const HEADER = { run: "9f86d081884c7d65", startMs: 1_764_000_000_000, url: "http://a/é" };

function recordOf(sequence: number): LedgerRecord {
  const ledger = { count: 9, high: 1, low: sequence, unknown: 0 };
  return { sequence, endMs: sequence * 2, status: 200, ledger, isSampled: true, isBroken: false };
}

const RECORDS = Array.from({ length: 30 }, (_, index) => recordOf(index));
const BYTES = ledgerBytes(HEADER, RECORDS);
const START = BYTES.indexOf(10) + 1;
const OTHER = ledgerBytes({ ...HEADER, run: "9f86d081884c7d66" }, RECORDS.slice(0, 5));

test("a ledger with its end marker is read back whole", () => {
  const { ledger, cut } = parseLedger(BYTES, "run");
  expect(cut).toBeNull();
  expect(Array.from({ length: ledger.size }, (_, index) => ledger.record(index))).toEqual(RECORDS);
  expect(parseLedger(ledgerBytes(HEADER, []), "run")).toMatchObject({ cut: null, ledger: { size: 0 } });
});

describe("a damaged ledger is rejected:", () => {
  test("one with any single flipped bit", () => {
    for (let bit = 0; bit < BYTES.length * 8; bit++) {
      const bytes = Buffer.from(BYTES);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(() => parseLedger(bytes, "run")).toThrow(
        /^run is not the ledger|the ledger run is damaged|version [12]/,
      );
    }
  });

  test("one with records that are swapped, left out, repeated, or from another ledger", () => {
    const record = (index: number, of = BYTES) => {
      const start = of.indexOf(10) + 1;
      return of.subarray(start + index * SEALED_BYTES, start + (index + 1) * SEALED_BYTES);
    };
    const head = BYTES.subarray(0, START);
    for (const parts of [
      [head, record(1), record(0), BYTES.subarray(START + 2 * SEALED_BYTES)],
      [head, BYTES.subarray(START + SEALED_BYTES)],
      [head, record(0), BYTES.subarray(START)],
      [head, record(0, OTHER), BYTES.subarray(START + SEALED_BYTES)],
    ])
      expect(() => parseLedger(Buffer.concat(parts), "run")).toThrow("does not match its checksum");
  });

  test("one with any other bytes changed", () => {
    fc.assert(
      fc.property(fc.nat(BYTES.length - 1), fc.uint8Array({ minLength: 1, maxLength: 64 }), (at, patch) => {
        const bytes = Buffer.from(BYTES);
        bytes.set(patch.subarray(0, bytes.length - at), at);
        fc.pre(!bytes.equals(BYTES));
        expect(() => parseLedger(bytes, "run")).toThrow();
      }),
    );
  });

  test("one with two records of the same request, each with a valid checksum", () => {
    const bytes = ledgerBytes(HEADER, [...RECORDS, recordOf(7)]);
    expect(() => parseLedger(bytes, "run")).toThrow("the ledger run has more than one record for request 7");
  });
});

test("joined ledgers are rejected, wherever the first one ends", () => {
  for (const end of [BYTES.length, START + SEALED_BYTES, START + SEALED_BYTES - 5, START + 1]) {
    for (const next of [OTHER, BYTES]) {
      const joined = Buffer.concat([BYTES.subarray(0, end), next]);
      expect(() => parseLedger(joined, "run")).toThrow("the ledger run contains more than one ledger");
    }
  }
});

test("a truncated ledger keeps its complete records, and the warning says where it ends", () => {
  for (let end = START; end < BYTES.length; end++) {
    const { ledger, cut } = parseLedger(BYTES.subarray(0, end), "run");
    const records = Math.floor((end - START) / SEALED_BYTES);
    expect(ledger.size).toBe(records);
    expect(cut).toContain(
      (end - START) % SEALED_BYTES > 0
        ? `ends inside record ${records + 1}`
        : `has no end marker after record ${records}`,
    );
  }
  for (const end of [0, 5, START - 1])
    expect(() => parseLedger(BYTES.subarray(0, end), "run")).toThrow(/is not the ledger of a run|is damaged/);
});

test("a ledger of version 1 is rejected with its version", () => {
  const bytes = Buffer.concat([
    Buffer.from(`chain-link-run 1 ${JSON.stringify(HEADER)}\n`),
    Buffer.alloc(24),
  ]);
  expect(() => parseLedger(bytes, "run")).toThrow("the ledger run has version 1");
});
