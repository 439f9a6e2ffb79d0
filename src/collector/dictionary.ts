import { finish, mix } from "../trace/murmur.ts";

/** Longer texts are hardly ever equal, and looking them up costs by their length. */
const MAX_LENGTH = 256;

/** Texts held at most: 16 MB at the very worst. */
const MAX_TEXTS = 65_536;

/** Places for texts seen once. One that hashes to a taken place takes it, and is forgotten there. */
const SEEN_PLACES = 65_536;

/** The runtime's hash costs more than ours for short texts, and a thirtieth of it for 9 MB, which ours takes 100 ms for. */
const NATIVE_HASH_LENGTH = 4096;

const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x85a308d3;

/**
 * Numbers for texts that spans repeat: names, keys, addresses. A text gets one when it is seen for the second time, so
 * that what is different in each span (a path with an id) takes none.
 */
export class Dictionary {
  readonly #numbers = new Map<string, number>();
  readonly #texts: string[] = [];
  readonly #highs: number[] = [];
  readonly #lows: number[] = [];
  readonly #seen = new Int32Array(SEEN_PLACES);
  /** The first text that {@link unsaved} has not been told is saved. */
  #saved = 0;
  /** Two 32-bit hashes of the text last looked up. */
  high = 0;
  low = 0;

  /** The number of a text, -1 when it has none (yet); sets {@link high} and {@link low}. */
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

  /** Sets {@link high} and {@link low} and nothing else, for questions. */
  hash(text: string): void {
    this.#hash(text);
  }

  textOf(number: number): string {
    const text = this.#texts[number];
    if (text === undefined) throw new RangeError(`no text has the number ${number}`);
    return text;
  }

  /** Takes back what was saved. */
  restore(number: number, text: string): void {
    if (number !== this.#texts.length)
      throw new RangeError(`expected text ${this.#texts.length}, found ${number}`);
    this.#hash(text);
    this.#append(text);
    this.#saved = this.#texts.length;
  }

  /** Texts to be saved before the spans that use them. */
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
