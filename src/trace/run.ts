import { newSpanId } from "./ids.ts";
import { finish, mix } from "./murmur.ts";

/** Rounds of the Feistel network; four are enough to look random. */
const ROUNDS = 4;
const WORD = 2 ** 32;
const RUN_ID = /^(?!0{16})[0-9a-f]{16}$/;

/** A new run id: 16 lower-case hex digits, never all zero. */
export const newRunId = newSpanId;

export function isRunId(text: string): boolean {
  return RUN_ID.test(text);
}

/**
 * The trace ids of one run of the load generator, which can be enumerated: the high half is the run id, the low half a
 * bijection of the request's sequence number (from 0), keyed by the run id. Backends that group or sample by the low half
 * see random ids. Neither half is ever zero.
 *
 * The low half is a pseudo-random permutation whose last 7 bytes are uniform, so these ids carry the random flag
 * (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag).
 */
export class RunIds {
  readonly runId: string;
  /** The two words of the run id, unsigned. */
  readonly runHigh: number;
  readonly runLow: number;
  /** The two words of the low half that {@link encode} produced last, unsigned. */
  high = 0;
  low = 0;
  readonly #keys: readonly number[];

  /** @throws {TypeError} if `runId` is not 16 lower-case hex digits, or is zero */
  constructor(runId: string) {
    if (!isRunId(runId))
      throw new TypeError(`expected a run id of 16 hex digits, found ${JSON.stringify(runId)}`);
    this.runId = runId;
    this.runHigh = Number.parseInt(runId.slice(0, 8), 16);
    this.runLow = Number.parseInt(runId.slice(8), 16);
    this.#keys = Array.from({ length: ROUNDS }, (_, round) => mix(mix(round, this.runHigh), this.runLow));
  }

  /** Sets {@link high} and {@link low} to the low half of a request's trace id. Allocates nothing. */
  encode(sequence: number): void {
    // Counting from 1 reserves the id of 0 for the one value whose id would be all zeros.
    const value = sequence + 1;
    this.#permute(Math.floor(value / WORD), value >>> 0);
    if (this.high === 0 && this.low === 0) this.#permute(0, 0);
  }

  /** The trace id of a request: 32 lower-case hex digits. */
  traceId(sequence: number): string {
    this.encode(sequence);
    return this.runId + toHex(this.high) + toHex(this.low);
  }

  /** The sequence number of a trace id; `null` if it belongs to another run. Also accepts ids truncated to their low half. */
  sequenceOf(traceId: string): number | null {
    const isLong = traceId.length === 32;
    if (isLong ? !traceId.startsWith(this.runId) : traceId.length !== 16) return null;
    const text = traceId.slice(-16);
    let [high, low] = this.#invert(Number.parseInt(text.slice(0, 8), 16), Number.parseInt(text.slice(8), 16));
    if (high === 0 && low === 0) [high, low] = this.#invert(0, 0);
    const sequence = high * WORD + low - 1;
    return Number.isSafeInteger(sequence) ? sequence : null;
  }

  /**
   * Whether the two words of a trace id's low half belong to a request of this run, which has fewer than 2^32 of them. One
   * random id in 2^32 matches by chance. Allocates nothing.
   */
  has(high: number, low: number): boolean {
    for (let round = ROUNDS - 1; round >= 0; round--) {
      const previous = (low ^ finish(mix(this.#keys[round] as number, high))) >>> 0;
      low = high;
      high = previous;
    }
    return high === 0 && low > 0;
  }

  #permute(left: number, right: number): void {
    for (const key of this.#keys) {
      const next = (left ^ finish(mix(key, right))) >>> 0;
      left = right;
      right = next;
    }
    this.high = left;
    this.low = right;
  }

  #invert(left: number, right: number): [high: number, low: number] {
    for (let round = ROUNDS - 1; round >= 0; round--) {
      const previous = (right ^ finish(mix(this.#keys[round] ?? 0, left))) >>> 0;
      right = left;
      left = previous;
    }
    return [left, right];
  }
}

/** The ids of the run that was seen last. */
let latest: RunIds | null = null;

/** Whether the four words of a trace id, unsigned, belong to a request from a load generator. See {@link RunIds.has}. */
export function isOfAnyRun(runHigh: number, runLow: number, high: number, low: number): boolean {
  if ((runHigh | runLow) === 0) return false;
  if (latest?.runHigh !== runHigh || latest.runLow !== runLow)
    latest = new RunIds(toHex(runHigh) + toHex(runLow));
  return latest.has(high, low);
}

function toHex(word: number): string {
  return word.toString(16).padStart(8, "0");
}
