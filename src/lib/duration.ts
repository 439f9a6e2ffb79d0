const UNIT_MS = { ns: 1e-6, us: 1e-3, µs: 1e-3, ms: 1, s: 1000, m: 60_000, h: 3_600_000 } as const;
const PART = /(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)/g;

/** An unsigned duration in Go's syntax: `300us`, `2ms`, `1.5s`, `1h30m`. */
export const DURATION_PATTERN = /^(?:0|(?:\d+(?:\.\d+)?(?:ns|us|µs|ms|s|m|h))+)$/;

/** Milliseconds of a duration that matches {@link DURATION_PATTERN}; `undefined` for other text. */
export function parseDuration(text: string): number | undefined {
  if (!DURATION_PATTERN.test(text)) return undefined;
  let totalMs = 0;
  for (const [, amount, unit] of text.matchAll(PART))
    totalMs += Number(amount) * UNIT_MS[unit as keyof typeof UNIT_MS];
  return totalMs;
}

/** The shortest text that {@link parseDuration} reads back as this duration: `300us`, `2ms`, `1.5s`. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0";
  if (ms < 1) return `${trim(ms * 1000)}us`;
  if (ms < 1000) return `${trim(ms)}ms`;
  return `${trim(ms / 1000)}s`;
}

function trim(value: number): string {
  return String(Number(value.toFixed(6)));
}

const DAY = 24 * 3_600_000_000;
/** Largest unit first; a duration uses the first unit of which it has at least `least`. */
const LONG_UNITS: readonly [name: string, micros: number, least: number][] = [
  ["years", 365.25 * DAY, 2],
  ["days", DAY, 2],
  ["h", 3_600_000_000, 2],
  ["min", 60_000_000, 2],
];
const UNITS: readonly [name: string, micros: number][] = [
  ["s", 1_000_000],
  ["ms", 1000],
  ["µs", 1],
];

/** The unit in which {@link formatRounded} writes a duration, in microseconds. */
export function unitOf(micros: number): number {
  const long = LONG_UNITS.find(([, unit, least]) => micros >= unit * least);
  return long?.[1] ?? UNITS.find(([, unit]) => micros >= unit * 0.9995)?.[1] ?? 1;
}

/** For people, with three significant digits: `1.23 ms`, `36.0 h`, `2,000 years`. */
export function formatRounded(micros: number): string {
  const long = LONG_UNITS.find(([, unit, least]) => micros >= unit * least);
  if (long !== undefined) {
    const [name, size] = long;
    const value = micros / size;
    return `${value >= 100 ? Math.round(value).toLocaleString("en") : value.toFixed(1)} ${name}`;
  }
  if (micros < 0) return `-${formatRounded(-micros)}`;
  // A value that would round to 1000 of a unit is written as 1.00 of the next larger one.
  const [name, size] = UNITS.find(([, unit]) => micros >= unit * 0.9995) ?? ["µs", 1];
  const value = micros / size;
  const digits = name === "µs" || value >= 100 ? 0 : value >= 10 ? 1 : 2;
  return `${value.toFixed(digits)} ${name}`;
}
