import { finish, mix } from "../trace/murmur.ts";

/** Longer texts hardly ever repeat, and a lookup costs time in proportion to length. */
const MAX_LENGTH = 256;

/** Maximum texts: at worst 16 MB. */
const MAX_TEXTS = 65_536;

/** Slots for texts seen once. A text that hashes to a taken slot replaces the one there. */
const SEEN_PLACES = 65_536;

/** Bun's hash is slower than ours for short texts and 30 times faster for 9 MB, which takes ours 100 ms. */
const NATIVE_HASH_LENGTH = 4096;

const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x85a308d3;

/**
 * Numbers for texts that spans repeat: names, keys, addresses. A text gets a number when it is seen for the second
 * time, so that texts unique to a span (a path with an id) get none.
 */
export class Dictionary {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #highs: number[] = [];
  readonly #lows: number[] = [];
  readonly #seen = new Int32Array(SEEN_PLACES);
  /** Number of the first text not marked as saved. */
  #saved = 0;
  /** Two 32-bit hashes of the text last looked up. */
  high = 0;
  low = 0;

  /** Returns the number of a text, -1 when it has none (yet); sets {@link high} and {@link low}. */
  lookUp(text: string): number {
    const isShort = text.length <= MAX_LENGTH;
    if (isShort) {
      const number = this.#numbers.get(text);
      if (number !== undefined) {
        this.high = this.#highs[number] as number;
        this.low = this.#lows[number] as number;
        return number;
      }
    }
    this.#hash(text);
    if (!isShort || this.#texts.length >= MAX_TEXTS) return -1;
    const place = this.high & (SEEN_PLACES - 1);
    if (this.#seen[place] !== this.low) {
      this.#seen[place] = this.low;
      return -1;
    }
    return this.#append(text);
  }

  /** Only sets {@link high} and {@link low}, for queries. */
  hash(text: string): void {
    this.#hash(text);
  }

  textOf(number: number): string {
    const text = this.#texts[number];
    if (text === undefined) throw new RangeError(`no text has the number ${number}`);
    return text;
  }

  /** Restores a saved text. */
  restore(number: number, text: string): void {
    if (number !== this.#texts.length)
      throw new RangeError(`expected text ${this.#texts.length}, found ${number}`);
    this.#hash(text);
    this.#append(text);
    this.#saved = this.#texts.length;
  }

  /** Texts that must be saved before the spans that use them. */
  unsaved(): readonly { readonly number: number; readonly text: string }[] {
    return this.#texts.slice(this.#saved).map((text, index) => ({ number: this.#saved + index, text }));
  }

  markSaved(): void {
    this.#saved = this.#texts.length;
  }

  #append(text: string): number {
    const number = this.#texts.length;
    this.#numbers.set(text, number);
    this.#texts.push(text);
    this.#highs.push(this.high);
    this.#lows.push(this.low);
    return number;
  }

  #hash(text: string): void {
    if (text.length > NATIVE_HASH_LENGTH) {
      const hash = Bun.hash.wyhash(text);
      this.high = Number(hash >> 32n) | 0;
      this.low = Number(hash & 0xffff_ffffn) | 0;
      return;
    }
    let high = SEED_HIGH;
    let low = SEED_LOW;
    for (let index = 0; index < text.length; index++) {
      const code = text.charCodeAt(index);
      high = mix(high, code);
      low = mix(low, code);
    }
    this.high = finish(high) | 0;
    this.low = finish(low) | 0;
  }
}
