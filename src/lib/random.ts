/** Draws numbers in [0, 1), like `Math.random`. */
export type Random = () => number;

/** Gives each part of the program that draws numbers a generator of its own, by name. */
export type RandomSource = (name: string) => Random;

/** With a seed, each name gets the same numbers in every run, whatever other names draw. Without a seed, numbers differ between runs. */
export function randomSource(seed: string | null): RandomSource {
  return seed === null ? () => Math.random : (name) => sfc32(`${seed}/${name}`);
}

/** Draws from the standard normal distribution (Box-Muller). */
export function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}

/** Chris Doty-Humphrey's Small Fast Counter, 32 bits: https://pracrand.sourceforge.net/RNG_engines.txt */
function sfc32(text: string): Random {
  let a = hash(text, 0x9e3779b9);
  let b = hash(text, 0x243f6a88);
  let c = hash(text, 0xb7e15162);
  let counter = 1;
  const next = () => {
    const sum = (a + b + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return (sum >>> 0) / 2 ** 32;
  };
  // Similar seeds give similar first numbers: discard them.
  for (let i = 0; i < 12; i++) next();
  return next;
}

/** FNV-1a over the UTF-16 code units of a text. */
function hash(text: string, start: number): number {
  let state = start;
  for (let i = 0; i < text.length; i++) state = Math.imul(state ^ text.charCodeAt(i), 0x01000193);
  return state;
}
