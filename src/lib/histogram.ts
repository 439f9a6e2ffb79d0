/** Sub-buckets of each power of two: the bucket of a value is at most 1/16 (6 %) wide. */
const SUB_BITS = 4;
const SUB_BUCKETS = 1 << SUB_BITS;
/** Values up to 2^30 µs (18 minutes); longer ones are counted in the last bucket. */
const BUCKETS = 31 * SUB_BUCKETS;

/** Counts durations in buckets whose width grows with the value, so that quantiles are right within 6 %. */
export class Histogram {
  readonly #counts = new Uint32Array(BUCKETS);
  #total = 0;
  #sum = 0;

  get count(): number {
    return this.#total;
  }

  /** Sum of all values, in the unit they were recorded in. */
  get sum(): number {
    return this.#sum;
  }

  record(value: number): void {
    const index = bucketOf(value);
    this.#counts[index] = (this.#counts[index] ?? 0) + 1;
    this.#total++;
    this.#sum += value;
  }

  /** The value below which the share `q` (0 to 1) of all values lies; 0 when nothing was recorded. */
  quantile(q: number): number {
    const wanted = Math.max(1, Math.ceil(q * this.#total));
    let seen = 0;
    for (let index = 0; index < BUCKETS; index++) {
      seen += this.#counts[index] ?? 0;
      if (seen >= wanted) return bucketMiddle(index);
    }
    return 0;
  }

  /** How many values are in buckets that end at or below `limit`. */
  countUpTo(limit: number): number {
    const end = bucketOf(limit);
    let seen = 0;
    for (let index = 0; index <= end; index++) seen += this.#counts[index] ?? 0;
    return seen;
  }
}

function bucketOf(value: number): number {
  const whole = Math.max(0, Math.floor(value));
  if (whole < SUB_BUCKETS) return whole;
  const exponent = Math.min(30, 31 - Math.clz32(Math.min(whole, 0x7fffffff)));
  const sub = (whole / 2 ** (exponent - SUB_BITS)) & (SUB_BUCKETS - 1);
  return Math.min(BUCKETS - 1, (exponent - SUB_BITS + 1) * SUB_BUCKETS + sub);
}

function bucketMiddle(index: number): number {
  if (index < SUB_BUCKETS) return index;
  const exponent = Math.floor(index / SUB_BUCKETS) + SUB_BITS - 1;
  const width = 2 ** (exponent - SUB_BITS);
  return 2 ** exponent + (index % SUB_BUCKETS) * width + width / 2;
}
