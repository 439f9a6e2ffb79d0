import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { KEPT_RECORDS, RunLedgerWriter } from "../../src/load/run-ledger-writer.ts";
import type { LedgerRecord } from "../../src/trace/ledger-record.ts";
import { parseLedger } from "../../src/verify/run/ledger-file.ts";
import { temporaryFolder } from "../helpers/cli.ts";

const HEADER = { run: "9f86d081884c7d65", startMs: 1_764_000_000_000, url: "http://a" };

function recordOf(sequence: number): LedgerRecord {
  const ledger = { count: 9, high: 1, low: sequence, unknown: 0 };
  return { sequence, endMs: sequence * 2, status: 200, ledger, isSampled: true, isBroken: false };
}

/** What a reader gets of a file's bytes. */
function parse(bytes: Buffer, first = 0) {
  const { ledger, cut } = parseLedger(bytes, "run", first);
  return {
    header: ledger.header,
    records: Array.from({ length: ledger.size }, (_, index) => ledger.record(index)),
    isEnded: cut === null,
  };
}

test.each([0, 1, 4095, 4096, 4097, 20_000])("a file has all of %i records", (count) => {
  using folder = temporaryFolder();
  const file = join(folder.path, "run");
  const ledger = new RunLedgerWriter({ header: HEADER, file, isKept: count % 2 === 0 });
  for (let i = 0; i < count; i++) {
    ledger.add(recordOf(i));
    if (i % 1500 === 0) ledger.flush();
  }
  ledger.end();
  ledger.close();
  const { header, records, isEnded } = parse(readFileSync(file));
  expect(isEnded).toBe(true);
  expect(header).toEqual(HEADER);
  expect(records).toEqual(Array.from({ length: count }, (_, i) => recordOf(i)));
});

test("a file can be read while it grows", () => {
  using folder = temporaryFolder();
  const file = join(folder.path, "run");
  const ledger = new RunLedgerWriter({ header: HEADER, file, isKept: false });
  for (let i = 0; i < 100; i++) ledger.add(recordOf(i));
  ledger.flush();
  expect(parse(readFileSync(file)).records.length).toBe(100);
  ledger.close();
});

describe("the ledger in memory", () => {
  test("equals the file's bytes, or those from a record on", () => {
    const ledger = new RunLedgerWriter({ header: HEADER, file: null, isKept: true });
    for (let i = 0; i < 10_000; i++) ledger.add(recordOf(i));
    expect(parse(ledger.read()).records.length).toBe(10_000);
    expect(parse(ledger.read(9_998), 9_998).records).toEqual([recordOf(9998), recordOf(9999)]);
    expect(parse(ledger.read(10_000), 10_000)).toEqual({ header: HEADER, records: [], isEnded: false });
    ledger.end();
    expect(parse(ledger.read(1e9), 10_000)).toEqual({ header: HEADER, records: [], isEnded: true });
    ledger.close();
  });

  test("is bounded: the oldest records are evicted, and the first remaining one is known", () => {
    const ledger = new RunLedgerWriter({ header: HEADER, file: null, isKept: true });
    for (let i = 0; i < KEPT_RECORDS + 5000; i++) ledger.add(recordOf(i));
    expect(ledger.count).toBe(KEPT_RECORDS + 5000);
    const { records } = parse(ledger.read(), ledger.firstKept);
    expect(records[0]?.sequence).toBe(ledger.firstKept);
    expect(records.at(-1)?.sequence).toBe(KEPT_RECORDS + 4999);
    expect(ledger.firstKept).toBeWithin(5000, 5000 + 4096);
    ledger.close();
  });
});

test("an unwritable file is a user error at the start", () => {
  const make = () => new RunLedgerWriter({ header: HEADER, file: "/nowhere/run", isKept: false });
  expect(make).toThrow("cannot write /nowhere/run");
});

test.skipIf(process.platform !== "linux")("a full disk is a user error", () => {
  expect(() => new RunLedgerWriter({ header: HEADER, file: "/dev/full", isKept: false })).toThrow(
    "no space left on the device",
  );
});
