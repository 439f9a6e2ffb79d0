import { unitOf } from "../../src/lib/duration.ts";

/**
 * Round times between `from` and `to`, in microseconds. Steps are 1, 2 or 5 times a power of ten in the unit
 * of the labels.
 */
export function roundTicks(from: number, to: number, most: number): number[] {
  const span = to - from;
  if (!(span > 0)) return [from];
  const unit = unitOf(span);
  const raw = span / unit / most;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= raw) ?? 10) * power * unit;
  const ticks: number[] = [];
  for (let tick = Math.ceil(from / step) * step; tick <= to; tick += step) ticks.push(tick);
  return ticks;
}
