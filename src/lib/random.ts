/** A source of numbers in [0, 1), as `Math.random`. */
export type Random = () => number;

/** A draw from the standard normal distribution (Box-Muller). */
export function drawNormal(random: Random): number {
  return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
}
