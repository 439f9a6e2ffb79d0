import { writeWord } from "../trace/hex.ts";
import { randomWord } from "../trace/ids.ts";
import { scramble } from "../trace/murmur.ts";

/** The two words of a span id, scrambled for hashing. */
export interface SpanWords {
  readonly high: number;
  readonly low: number;
}

/** A span id as two scrambled words; its 16 digits are stored elsewhere. */
export class SpanId implements SpanWords {
  high = scramble(0);
  low = scramble(0);

  take(high: number, low: number): void {
    this.high = scramble(high);
    this.low = scramble(low);
  }

  /** Becomes a new random id, never all zeros, and writes its digits at `at`. */
  renew(digits: Uint8Array, at: number): void {
    const high = randomWord();
    const low = randomWord() || 1;
    this.take(high, low);
    writeWord(digits, at, high);
    writeWord(digits, at + 8, low);
  }
}

/** The parent of a root. */
export const NO_SPAN: SpanWords = new SpanId();
