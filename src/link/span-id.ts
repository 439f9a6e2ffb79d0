import { writeWord } from "../trace/hex.ts";
import { randomWord } from "../trace/ids.ts";

/** A span id as the two words that are hashed; its 16 digits stand elsewhere. */
export class SpanId {
  high = 0;
  low = 0;

  /** Becomes a new one, never all zero, whose digits are written at `at`. */
  renew(digits: Uint8Array, at: number): void {
    this.high = randomWord();
    this.low = randomWord() || 1;
    writeWord(digits, at, this.high);
    writeWord(digits, at + 8, this.low);
  }
}

/** The parent of a root. */
export const NO_SPAN: Readonly<SpanId> = new SpanId();
