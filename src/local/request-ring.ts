import type { Ledger } from "../trace/ledger.ts";
import { type LedgerRecord, RECORD_BYTES, readRunRecord, writeLedgerRecord } from "../trace/ledger-record.ts";

/** Requests that are remembered: two minutes of 1,000 a second. 41 bytes each, of memory that is touched when it is used. */
const CAPACITY = 2 ** 17;

/**
 * What is known of the latest requests of a run, by their numbers: the record that the load generator wrote when they
 * ended, beside the account of the spans that came. A place is `sequence % CAPACITY`; a later request takes it.
 *
 *     place      0        1        2     …
 *     sequence   131072   131073   2     …
 *     state      complete waiting  …
 *     record     24 bytes of run-ledger.ts, once it ended
 *     seen       count, two words of digest: the XOR of the spans that came
 */
export class RequestRing {
  readonly #sequences = new Uint32Array(CAPACITY);
  readonly #states = new Uint8Array(CAPACITY);
  readonly #counts = new Uint32Array(CAPACITY);
  readonly #highs = new Uint32Array(CAPACITY);
  readonly #lows = new Uint32Array(CAPACITY);
  readonly #records = new DataView(new ArrayBuffer(CAPACITY * RECORD_BYTES));
  /** Places that were taken before their request was settled. */
  overtaken = 0;
  #newest = -1;

  /** The place of a request, which is made if there is none; -1 when it is too old, or nobody can have sent it yet. */
  take(sequence: number): number {
    const place = sequence % CAPACITY;
    const state = this.#states[place];
    if (state !== EMPTY && this.#sequences[place] === sequence) return place;
    // Ids can be made up by whoever can reach the collector: those far ahead must not throw out real ones.
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

  /** The place of a request that is known; -1 otherwise. */
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

  /** The account of the spans that came is the request's. */
  isEqual(place: number, { count, high, low }: Ledger): boolean {
    return this.#counts[place] === count && this.#highs[place] === high && this.#lows[place] === low;
  }
}

const EMPTY = 0;
/** Spans came, its end was not heard of. */
export const OPEN = 1;
/** It ended, and something is not there. */
export const WAITING = 2;
export const COMPLETE = 3;
/** It was judged as it was, and something was wrong or not to be known. */
export const JUDGED = 4;
export type RequestState = typeof EMPTY | typeof OPEN | typeof WAITING | typeof COMPLETE | typeof JUDGED;
