import type { Ledger } from "../trace/ledger.ts";
import { type LedgerRecord, RECORD_BYTES, readRunRecord, writeLedgerRecord } from "../trace/ledger-record.ts";

/** Maximum remembered requests: two minutes at 1,000 per second. Each takes 41 bytes, allocated when first used. */
const CAPACITY = 2 ** 17;

/**
 * The latest requests of a run, by number: the record that the load generator wrote at the end of each, next to the ledger of
 * the spans that arrived. The place of a request is `sequence % CAPACITY`; a later request replaces it.
 *
 *     place      0        1        2     …
 *     sequence   131072   131073   2     …
 *     state      complete waiting  …
 *     record     24 bytes (ledger-record.ts), once it has ended
 *     seen       count and two words of digest: the XOR of the spans that arrived
 */
export class RequestRing {
  readonly #sequences = new Uint32Array(CAPACITY);
  readonly #states = new Uint8Array(CAPACITY);
  readonly #counts = new Uint32Array(CAPACITY);
  readonly #highs = new Uint32Array(CAPACITY);
  readonly #lows = new Uint32Array(CAPACITY);
  readonly #records = new DataView(new ArrayBuffer(CAPACITY * RECORD_BYTES));
  /** Number of requests that were replaced before they were final. */
  overtaken = 0;
  #newest = -1;

  /** Finds or creates the place of a request; -1 if it is too old, or too new to have been sent already. */
  take(sequence: number): number {
    const place = sequence % CAPACITY;
    const state = this.#states[place];
    if (state !== EMPTY && this.#sequences[place] === sequence) return place;
    // Anyone who can reach the collector can make up ids: ids far ahead must not evict real ones.
    if (sequence > this.#newest + CAPACITY / 2 || sequence <= this.#newest - CAPACITY) return -1;
    if (state !== EMPTY && (this.#sequences[place] as number) > sequence) return -1;
    if (state === WAITING) this.overtaken++;
    this.#sequences[place] = sequence;
    this.#states[place] = OPEN;
    this.#counts[place] = 0;
    this.#highs[place] = 0;
    this.#lows[place] = 0;
    return place;
  }

  /** The place of a known request; otherwise -1. */
  find(sequence: number): number {
    const place = sequence % CAPACITY;
    return this.#states[place] !== EMPTY && this.#sequences[place] === sequence ? place : -1;
  }

  addSpan(place: number, span: Pick<Ledger, "high" | "low">): void {
    this.#counts[place] = (this.#counts[place] as number) + 1;
    this.#highs[place] = (this.#highs[place] as number) ^ span.high;
    this.#lows[place] = (this.#lows[place] as number) ^ span.low;
  }

  setRecord(place: number, record: LedgerRecord): void {
    this.#newest = Math.max(this.#newest, record.sequence);
    writeLedgerRecord(this.#records, place * RECORD_BYTES, record);
  }

  record(place: number): LedgerRecord {
    return readRunRecord(this.#records, place * RECORD_BYTES);
  }

  state(place: number): RequestState {
    return this.#states[place] as RequestState;
  }

  setState(place: number, state: RequestState): void {
    this.#states[place] = state;
  }

  seen(place: number): number {
    return this.#counts[place] as number;
  }

  /** Whether the ledger of the spans that arrived equals that of the request. */
  isEqual(place: number, { count, high, low }: Ledger): boolean {
    return this.#counts[place] === count && this.#highs[place] === high && this.#lows[place] === low;
  }
}

const EMPTY = 0;
/** Spans arrived, but the request has not ended. */
export const OPEN = 1;
/** The request ended, but something is missing. */
export const WAITING = 2;
export const COMPLETE = 3;
/** Judged, with the result that something is wrong or unknown. */
export const JUDGED = 4;
type RequestState = typeof EMPTY | typeof OPEN | typeof WAITING | typeof COMPLETE | typeof JUDGED;
