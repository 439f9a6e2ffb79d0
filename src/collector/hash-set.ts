const FIRST_PLACES = 1024;
/** Maximum fill level. Above it, probes grow long. */
const MAX_LOAD = 0.7;

/**
 * A set of 64-bit hashes in two typed arrays: 8 bytes per slot instead of the 50 of a `Set`. It uses open addressing;
 * a slot with two zeros is empty, so the hash 0 is stored as 1.
 */
export class HashSet {
  #highs = new Int32Array(FIRST_PLACES);
  #lows = new Int32Array(FIRST_PLACES);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Returns false when the hash was already in the set. */
  add(high: number, low: number): boolean {
    if (this.#size >= this.#highs.length * MAX_LOAD) this.#grow();
    const place = this.#find(high, lowOf(high, low));
    if (place < 0) return false;
    this.#highs[place] = high;
    this.#lows[place] = lowOf(high, low);
    this.#size++;
    return true;
  }

  delete(high: number, low: number): void {
    const found = this.#find(high, lowOf(high, low));
    if (found >= 0) return;
    this.#size--;
    // The hashes after it move up, so that no probe stops at the gap too early.
    const mask = this.#highs.length - 1;
    let gap = ~found;
    for (let place = (gap + 1) & mask; !this.#isEmpty(place); place = (place + 1) & mask) {
      const wanted = (this.#lows[place] as number) & mask;
      if (((place - wanted) & mask) < ((place - gap) & mask)) continue;
      this.#highs[gap] = this.#highs[place] as number;
      this.#lows[gap] = this.#lows[place] as number;
      gap = place;
    }
    this.#highs[gap] = 0;
    this.#lows[gap] = 0;
  }

  /** Returns the free slot for a hash, or `~slot` when the hash is in the set. */
  #find(high: number, low: number): number {
    const mask = this.#highs.length - 1;
    let place = low & mask;
    while (!this.#isEmpty(place)) {
      if (this.#highs[place] === high && this.#lows[place] === low) return ~place;
      place = (place + 1) & mask;
    }
    return place;
  }

  #isEmpty(place: number): boolean {
    return this.#highs[place] === 0 && this.#lows[place] === 0;
  }

  #grow(): void {
    const [highs, lows] = [this.#highs, this.#lows];
    this.#highs = new Int32Array(highs.length * 2);
    this.#lows = new Int32Array(highs.length * 2);
    for (let place = 0; place < highs.length; place++) {
      const [high, low] = [highs[place] as number, lows[place] as number];
      if (high === 0 && low === 0) continue;
      const free = this.#find(high, low);
      this.#highs[free] = high;
      this.#lows[free] = low;
    }
  }
}

function lowOf(high: number, low: number): number {
  return high === 0 && low === 0 ? 1 : low;
}
