import { finish, mix, mixIn, scramble } from "./murmur.ts";

/**
 * The ledger: an account, carried in each answer, of the spans that a request has made in a link and below it. Two
 * ledgers of the same spans are equal in whatever order the spans were added, and a lost, doubled or altered span
 * changes the digest (but for a chance of 2^-64).
 */

/** The response header of a ledger. */
export const LEDGER_HEADER = "chain-link-ledger";

export interface Ledger {
  /** Spans recorded. */
  readonly count: number;
  /** XOR of the spans' hashes: two lanes of 32 bits, unsigned. */
  readonly high: number;
  readonly low: number;
  /** Calls whose spans below are not known, and repeated attempts. */
  readonly unknown: number;
}

export const EMPTY_LEDGER: Ledger = Object.freeze({ count: 0, high: 0, low: 0, unknown: 0 });

/** What of a span is accounted for. Ids are hex digits; `parentId` is `null` for a root. */
export interface LedgerSpan {
  readonly id: string;
  readonly parentId: string | null;
  readonly kind: string | undefined;
  readonly serviceName: string;
}

/** The word of each kind, scrambled; a span without one has 0. */
export const KIND_WORDS: Readonly<Record<string, number>> = {
  SERVER: scramble(1),
  CLIENT: scramble(2),
  PRODUCER: scramble(3),
  CONSUMER: scramble(4),
};

/** Seeds of the two lanes, which differ in nothing else: the first 64 bits of the fraction of pi. */
const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x85a308d3;

/** A service name's part of the hash, scrambled, made once for each service. */
export interface ServiceHash {
  readonly high: number;
  readonly low: number;
}

/** Hashes the UTF-8 bytes of the lower-cased name, a byte as a word. */
export function hashService(serviceName: string): ServiceHash {
  let high = SEED_HIGH;
  let low = SEED_LOW;
  for (const byte of new TextEncoder().encode(serviceName.toLowerCase())) {
    high = mix(high, byte);
    low = mix(low, byte);
  }
  return { high: scramble(finish(high)), low: scramble(finish(low)) };
}

/**
 * The hash of one span, from words that are scrambled. One object serves for many, one after the other. Its lanes are signed: what
 * does not fit 31 bits is a floating-point number to the engine, and twice as dear.
 */
export class SpanHash {
  high = 0;
  low = 0;

  /** Both lanes take the same words, but for the service's. */
  take(
    idHigh: number,
    idLow: number,
    parentHigh: number,
    parentLow: number,
    kind: number,
    service: ServiceHash,
  ): void {
    const high = mixIn(mixIn(mixIn(mixIn(mixIn(SEED_HIGH, idHigh), idLow), parentHigh), parentLow), kind);
    const low = mixIn(mixIn(mixIn(mixIn(mixIn(SEED_LOW, idHigh), idLow), parentHigh), parentLow), kind);
    this.high = finish(mixIn(high, service.high)) | 0;
    this.low = finish(mixIn(low, service.low)) | 0;
  }
}

/** Of the span that is being added. */
const hash = new SpanHash();

/** A ledger with one more span. */
export function addSpan(ledger: Ledger, span: LedgerSpan, service = hashService(span.serviceName)): Ledger {
  const id = words(span.id);
  const parent = span.parentId === null ? NO_PARENT : words(span.parentId);
  const kind = KIND_WORDS[span.kind ?? ""] ?? 0;
  hash.take(id.high, id.low, parent.high, parent.low, kind, service);
  return {
    count: ledger.count + 1,
    high: (ledger.high ^ hash.high) >>> 0,
    low: (ledger.low ^ hash.low) >>> 0,
    unknown: ledger.unknown,
  };
}

/** The account of both. */
export function addLedger(a: Ledger, b: Ledger): Ledger {
  return {
    count: a.count + b.count,
    high: (a.high ^ b.high) >>> 0,
    low: (a.low ^ b.low) >>> 0,
    unknown: a.unknown + b.unknown,
  };
}

/** A ledger that misses the spans of one more call or attempt. */
export function addUnknown(ledger: Ledger): Ledger {
  return { ...ledger, unknown: ledger.unknown + 1 };
}

/** `<count>-<digest>[-<unknown>]`: decimal, 16 lower-case hex digits, decimal. */
export function formatLedger({ count, high, low, unknown }: Ledger): string {
  const digest = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  return unknown === 0 ? `${count}-${digest}` : `${count}-${digest}-${unknown}`;
}

const LEDGER = /^(\d{1,9})-([0-9a-f]{8})([0-9a-f]{8})(?:-([1-9]\d{0,8}))?$/;

/** The ledger of a header's value; `null` when it is none. */
export function parseLedger(text: string): Ledger | null {
  const match = LEDGER.exec(text);
  if (match === null) return null;
  const [, count = "", high = "", low = "", unknown = "0"] = match;
  return {
    count: Number(count),
    high: Number.parseInt(high, 16),
    low: Number.parseInt(low, 16),
    unknown: Number(unknown),
  };
}

interface Words {
  readonly high: number;
  readonly low: number;
}

const NO_PARENT: Words = { high: scramble(0), low: scramble(0) };

function words(id: string): Words {
  return {
    high: scramble(Number.parseInt(id.slice(0, 8), 16)),
    low: scramble(Number.parseInt(id.slice(8, 16), 16)),
  };
}
