import { finish, mix, mixIn, scramble } from "./murmur.ts";

/**
 * The ledger, sent with each answer, describes the spans that a link and everything below it recorded for the request. Two
 * ledgers of the same spans are equal, whatever the order in which the spans were added. A lost, duplicated or altered
 * span changes the digest (except with a probability of 2^-64).
 */

/** The response header that carries a ledger. */
export const LEDGER_HEADER = "chain-link-ledger";

export interface Ledger {
  /** Spans recorded. */
  readonly count: number;
  /** XOR of the spans' hashes: two lanes of 32 bits, unsigned. */
  readonly high: number;
  readonly low: number;
  /** Number of calls whose spans are unknown, and of repeated attempts. */
  readonly unknown: number;
}

export const EMPTY_LEDGER: Ledger = Object.freeze({ count: 0, high: 0, low: 0, unknown: 0 });

/** The fields of a span that its hash covers. Ids are hex digits; `parentId` is `null` for a root. */
export interface LedgerSpan {
  readonly id: string;
  readonly parentId: string | null;
  readonly kind: string | undefined;
  readonly serviceName: string;
}

/** The scrambled word for each kind; 0 for a span without a kind. */
export const KIND_WORDS: Readonly<Record<string, number>> = {
  SERVER: scramble(1),
  CLIENT: scramble(2),
  PRODUCER: scramble(3),
  CONSUMER: scramble(4),
};

/** Seeds of the two lanes, which are otherwise the same: the first 64 bits of the fraction of pi. */
const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x85a308d3;

/** The scrambled hash of a service name, computed once per service. */
export interface ServiceHash {
  readonly high: number;
  readonly low: number;
}

/** Hashes the UTF-8 bytes of the lower-cased name, one byte per word. */
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
 * The hash of one span, computed from scrambled words. One object is reused for many spans. Its lanes are signed: the
 * engine stores numbers above 31 bits as floating point, which costs twice as much.
 */
export class SpanHash {
  high = 0;
  low = 0;

  /** Both lanes take the same words, except for the service hash. */
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

/** Scratch object, reused for every span. */
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

/** The ledger of the spans of both. */
export function addLedger(a: Ledger, b: Ledger): Ledger {
  return {
    count: a.count + b.count,
    high: (a.high ^ b.high) >>> 0,
    low: (a.low ^ b.low) >>> 0,
    unknown: a.unknown + b.unknown,
  };
}

/** Adds a call or attempt whose spans are unknown. */
export function addUnknown(ledger: Ledger): Ledger {
  return { ...ledger, unknown: ledger.unknown + 1 };
}

/** `<count>-<digest>[-<unknown>]`: decimal, 16 lower-case hex digits, decimal. */
export function formatLedger({ count, high, low, unknown }: Ledger): string {
  const digest = high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
  return unknown === 0 ? `${count}-${digest}` : `${count}-${digest}-${unknown}`;
}

const LEDGER = /^(\d{1,9})-([0-9a-f]{8})([0-9a-f]{8})(?:-([1-9]\d{0,8}))?$/;

/** Parses a header value; `null` if it is malformed. */
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
