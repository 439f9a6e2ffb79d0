/** One bucket covers a sixteenth of a power of two, so a value is accurate to within 6 %. */
const COARSE_BITS = 4;
/** What HdrHistogram calls 3 significant digits: accurate to within 0.1 %. */
export const THREE_DIGITS = 10;
/** Values up to 2^41 (25 days in µs); larger ones are counted in the last bucket. */
const MAX_EXPONENT = 40;

/**
 * Counts values in buckets whose width grows with the value: quantiles have a bounded relative error, and memory does
 * not grow. The layout is HdrHistogram's (http://hdrhistogram.org): one bucket for each whole number up to 2^`bits`,
 * then 2^`bits` buckets for each power of two.
 */
export class Histogram {
  readonly #bits: number;
  readonly #counts: Uint32Array;
  #total = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  /** @param bits log2 of the number of buckets for each power of two: 4, or {@link THREE_DIGITS} */
  constructor(bits: number = COARSE_BITS) {
    this.#bits = bits;
    this.#counts = new Uint32Array((MAX_EXPONENT - bits + 2) * 2 ** bits);
  }

  get count(): number {
    return this.#total;
  }

  /** Sum of all values, in the unit they were recorded in. */
  get sum(): number {
    return this.#sum;
  }

  /** Exact; 0 when nothing was recorded. */
  get min(): number {
    return this.#total === 0 ? 0 : this.#min;
  }

  get max(): number {
    return this.#max;
  }

  get mean(): number {
    return this.#total === 0 ? 0 : this.#sum / this.#total;
  }

  record(value: number): void {
    const index = this.#bucketOf(value);
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#total++;
    this.#sum += value;
    if (value < this.#min) this.#min = value;
    if (value > this.#max) this.#max = value;
  }

  /** Adds the counts of another histogram, which must have the same `bits`. */
  add(other: Histogram): void {
    for (const [index, count] of other.#counts.entries()) {
      if (count > 0) this.#counts[index] = (this.#counts[index] as number) + count;
    }
    this.#total += other.#total;
    this.#sum += other.#sum;
    this.#min = Math.min(this.#min, other.#min);
    this.#max = Math.max(this.#max, other.#max);
  }

  /** The value below which the share `q` (0 to 1) of all values lies; 0 when nothing was recorded. */
  quantile(q: number): number {
    const wanted = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (const { count, middle } of this.buckets()) {
      seen += count;
      // The exact minimum and maximum are better than the middle of a bucket.
      if (seen >= wanted) return q === 1 ? this.#max : Math.min(this.#max, Math.max(this.#min, middle));
    }
    return 0;
  }

  /** How many values are in buckets that end at or below `limit`. */
  countUpTo(limit: number): number {
    const end = this.#bucketOf(limit);
    let seen = 0;
    for (let index = 0; index <= end; index++) seen += this.#counts[index] as number;
    return seen;
  }

  /** The buckets that are not empty, lowest first: count, middle of the range, and the highest whole number in it. */
  *buckets(): Generator<{ readonly count: number; readonly middle: number; readonly highest: number }> {
    const size = 2 ** this.#bits;
    for (let index = 0; index < this.#counts.length; index++) {
      const count = this.#counts[index] as number;
      if (count === 0) continue;
      if (index < size) {
        yield { count, middle: index, highest: index };
        continue;
      }
      const exponent = Math.floor(index / size) + this.#bits - 1;
      const width = 2 ** (exponent - this.#bits);
      const from = 2 ** exponent + (index % size) * width;
      yield { count, middle: from + (width - 1) / 2, highest: from + width - 1 };
    }
  }

  #bucketOf(value: number): number {
    const bits = this.#bits;
    const size = 2 ** bits;
    const whole = Math.max(0, Math.floor(value));
    if (whole < size) return whole;
    const exponent = whole < 2 ** 31 ? 31 - Math.clz32(whole) : Math.floor(Math.log2(whole));
    if (exponent > MAX_EXPONENT) return this.#counts.length - 1;
    const sub = (whole / 2 ** (exponent - bits)) & (size - 1);
    return (exponent - bits + 1) * size + sub;
  }
}
