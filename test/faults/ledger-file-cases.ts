import { UserError } from "../../src/lib/errors.ts";
import type { LedgerRecord } from "../../src/trace/ledger-record.ts";
import { newRunId } from "../../src/trace/run.ts";
import { parseLedger } from "../../src/verify/run/ledger-file.ts";
import { ledgerBytes } from "../helpers/ledger.ts";
import type { Comparison, FaultCase } from "./fault-case.ts";

/** Damages copies of a ledger in `requests` different ways, with as many intact copies in between. */
function ledgerCase(fault: string, damage: (bytes: Buffer) => Buffer): FaultCase {
  return {
    fault,
    async run(requests): Promise<Comparison> {
      const injected: string[] = [];
      const reported: string[] = [];
      for (let index = 0; index < 2 * requests; index++) {
        const whole = randomLedger();
        const isDamaged = index % 2 === 0;
        if (isDamaged) injected.push(`${index}`);
        if (isRefused(isDamaged ? damage(whole) : whole)) reported.push(`${index}`);
      }
      return { injected, reported };
    },
  };
}

function isRefused(bytes: Buffer): boolean {
  try {
    return parseLedger(bytes, "run.ledger").cut !== null;
  } catch (error) {
    if (error instanceof UserError) return true;
    throw error;
  }
}

function randomLedger(): Buffer {
  const startMs = Date.now();
  const records = Array.from({ length: 50 }, (_, sequence): LedgerRecord => {
    const ledger = { count: 9, high: random(2 ** 32), low: random(2 ** 32), unknown: 0 };
    return { sequence, endMs: startMs + sequence, status: 200, ledger, isSampled: true, isBroken: false };
  });
  return ledgerBytes({ run: newRunId(), startMs, url: "http://localhost:8000" }, records);
}

function random(below: number): number {
  return Math.floor(Math.random() * below);
}

function flipBit(bytes: Buffer): Buffer {
  const flipped = Buffer.from(bytes);
  const bit = random(bytes.length * 8);
  flipped.writeUInt8(flipped.readUInt8(bit >> 3) ^ (1 << (bit & 7)), bit >> 3);
  return flipped;
}

export const LEDGER_FILE_CASES: readonly FaultCase[] = [
  ledgerCase("ledger truncated", (bytes) => bytes.subarray(0, random(bytes.length))),
  ledgerCase("one bit of the ledger flipped", flipBit),
];
