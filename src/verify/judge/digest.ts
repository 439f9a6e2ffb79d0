import {
  addSpan,
  EMPTY_LEDGER,
  hashService,
  type Ledger,
  type LedgerSpan,
  type ServiceHash,
} from "../../trace/ledger.ts";

const serviceHashes = new Map<string, ServiceHash>();
/** Bounds memory: service names come from a backend that others write to as well. */
const MAX_NAMES = 10_000;

function hashOf(name: string): ServiceHash {
  let hash = serviceHashes.get(name);
  if (hash === undefined) {
    hash = hashService(name);
    if (serviceHashes.size < MAX_NAMES) serviceHashes.set(name, hash);
  }
  return hash;
}

/** Returns the ledger of one span. */
export function ledgerOfSpan(span: LedgerSpan): Ledger {
  return addSpan(EMPTY_LEDGER, span, hashOf(span.serviceName));
}

/** Returns the ledger of a set of spans. */
export function ledgerOf(spans: Iterable<LedgerSpan>): Ledger {
  let ledger = EMPTY_LEDGER;
  for (const span of spans) ledger = addSpan(ledger, span, hashOf(span.serviceName));
  return ledger;
}

/** Whether count and digest are equal, which proves that the spans are. */
export function isSameLedger(a: Ledger, b: Ledger): boolean {
  return a.count === b.count && a.high === b.high && a.low === b.low;
}

/** A 64-bit digest as two words, combined by XOR. */
export interface Digest {
  readonly high: number;
  readonly low: number;
}

export function xor(a: Digest, b: Digest): Digest {
  return { high: (a.high ^ b.high) >>> 0, low: (a.low ^ b.low) >>> 0 };
}

export function isZero({ high, low }: Digest): boolean {
  return high === 0 && low === 0;
}
