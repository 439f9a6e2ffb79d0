// MurmurHash3 x86_32: https://github.com/aappleby/smhasher/blob/master/src/MurmurHash3.cpp

/** Mixes a 32-bit word into a state. */
export function mix(state: number, word: number): number {
  return mixIn(state, scramble(word));
}

/** The part of the mixing that does not depend on the state. */
export function scramble(word: number): number {
  const k = Math.imul(word, 0xcc9e2d51);
  return Math.imul((k << 15) | (k >>> 17), 0x1b873593);
}

/** Mixes an already scrambled word into a state. */
export function mixIn(state: number, scrambled: number): number {
  const h = state ^ scrambled;
  return (Math.imul((h << 13) | (h >>> 19), 5) + 0xe6546b64) | 0;
}

/** The final avalanche; unsigned. */
export function finish(state: number): number {
  let h = state ^ (state >>> 16);
  h = Math.imul(h, 0x85ebca6b);
  h ^= h >>> 13;
  h = Math.imul(h, 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}
