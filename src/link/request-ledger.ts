import type { ByteWriter } from "../http/byte-writer.ts";
import { NINE, ZERO } from "../http/characters.ts";
import { readWord, writeWord } from "../trace/hex.ts";
import { type ServiceHash, SpanHash } from "../trace/ledger.ts";
import type { SpanWords } from "./span-id.ts";
import type { VisitLog } from "./visit-log.ts";

const NAME = Buffer.from("chain-link-ledger: ");
const LINE_END = Buffer.from("\r\n");
const DASH = 0x2d;
/** Maximum digits of a valid count. */
const MAX_DIGITS = 9;
const DIGEST_DIGITS = 16;

/** Scratch object, reused for every span. */
const hash = new SpanHash();

/** Scratch object, reused for every visit. */
const own = { count: 0, high: 0, low: 0 };

/** The growing ledger of one request: like `src/trace/ledger.ts`, but on bytes and without allocating. */
export class RequestLedger {
  count = 0;
  high = 0;
  low = 0;
  unknown = 0;
  /** The part of `count` that came with the answers of callees. */
  #takenCount = 0;
  #takenHigh = 0;
  #takenLow = 0;

  clear(): void {
    this.count = 0;
    this.high = 0;
    this.low = 0;
    this.unknown = 0;
    this.#takenCount = 0;
    this.#takenHigh = 0;
    this.#takenLow = 0;
  }

  /** Logs the spans that this link itself recorded. */
  log(visits: VisitLog, link: number, traceLow: SpanWords, parent: SpanWords, endMs: number): void {
    own.count = this.count - this.#takenCount;
    own.high = this.high ^ this.#takenHigh;
    own.low = this.low ^ this.#takenLow;
    visits.add(link, traceLow, parent, own, endMs);
  }

  /** Adds a span; the parent of a root is {@link NO_SPAN}. */
  addSpan(id: SpanWords, parent: SpanWords, kind: number, service: ServiceHash): void {
    this.count++;
    hash.take(id.high, id.low, parent.high, parent.low, kind, service);
    this.high ^= hash.high;
    this.low ^= hash.low;
  }

  /** Adds the ledger in a header value; `false` if it is malformed. */
  takeIn(bytes: Uint8Array, start: number, end: number): boolean {
    let at = start;
    let count = 0;
    for (; at < end && isDigit(bytes[at]); at++) count = count * 10 + (bytes[at] as number) - ZERO;
    if (at === start || at - start > MAX_DIGITS || bytes[at] !== DASH) return false;
    const digest = at + 1;
    if (digest + DIGEST_DIGITS > end) return false;
    const high = readWord(bytes, digest);
    const low = readWord(bytes, digest + 8);
    if (high === -1 || low === -1) return false;
    const unknown = readUnknown(bytes, digest + DIGEST_DIGITS, end);
    if (unknown === -1) return false;
    this.count += count;
    this.high ^= high;
    this.low ^= low;
    this.unknown += unknown;
    this.#takenCount += count;
    this.#takenHigh ^= high;
    this.#takenLow ^= low;
    return true;
  }

  /** Writes the header line of an answer. */
  writeHeader(out: ByteWriter): void {
    out.copy(NAME);
    this.write(out);
    out.copy(LINE_END);
  }

  /** Writes the header value. */
  write(out: ByteWriter): void {
    out.decimal(this.count);
    out.reserve(DIGEST_DIGITS + 2);
    out.bytes[out.length] = DASH;
    writeWord(out.bytes, out.length + 1, this.high);
    writeWord(out.bytes, out.length + 9, this.low);
    out.length += DIGEST_DIGITS + 1;
    if (this.unknown === 0) return;
    out.bytes[out.length++] = DASH;
    out.decimal(this.unknown);
  }
}

/** For a link that keeps no ledger: its answers do not describe their spans. */
export class NoRequestLedger extends RequestLedger {
  override addSpan(): void {}

  override takeIn(): boolean {
    return true;
  }

  override writeHeader(): void {}

  override log(): void {}
}

/** The number after the digest: 0 if there is none, -1 if it is malformed. */
function readUnknown(bytes: Uint8Array, start: number, end: number): number {
  if (start === end) return 0;
  const digits = end - start - 1;
  if (bytes[start] !== DASH || digits < 1 || digits > MAX_DIGITS || bytes[start + 1] === ZERO) return -1;
  let unknown = 0;
  for (let at = start + 1; at < end; at++) {
    if (!isDigit(bytes[at])) return -1;
    unknown = unknown * 10 + (bytes[at] as number) - ZERO;
  }
  return unknown;
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
