import { writeWord } from "../trace/hex.ts";
import { randomWord } from "../trace/ids.ts";
import { scramble } from "../trace/murmur.ts";

/** The words of a span id, scrambled. */
export interface SpanWords {
  readonly high: number;
  readonly low: number;
}

/** A span id as the two words that are hashed, scrambled already; its 16 digits stand elsewhere. */
export class SpanId implements SpanWords {
  high = scramble(0);
  low = scramble(0);

  take(high: number, low: number): void {
    this.high = scramble(high);
    this.low = scramble(low);
  }

  /** Becomes a new one, never all zero, whose digits are written at `at`. */
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
