/** Reads the values of an isotope document as the Go libraries that isotope uses do. */

/** https://pkg.go.dev/github.com/docker/go-units#RAMInBytes: all units are binary, even `KB`. */
const SIZE = /^(\d+(?:\.\d+)?) ?([kmgtp])?i?b?$/i;
const EXPONENTS: Readonly<Record<string, number>> = { k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of `10k`, `16 MB` or a number. */
export function readGoSize(value: unknown): number | undefined {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : undefined;
  const [, digits, unit = ""] = (typeof value === "string" ? SIZE.exec(value) : null) ?? [];
  if (digits === undefined) return undefined;
  return Math.floor(Number(digits) * 1024 ** (EXPONENTS[unit.toLowerCase()] ?? 0));
}

/** A fraction, from `0.01%` or from a number between 0 and 1. */
export function readGoPercentage(value: unknown): number | undefined {
  const [, digits] = (typeof value === "string" ? /^(\d*\.?\d+(?:e[-+]?\d+)?)%/i.exec(value) : null) ?? [];
  const fraction = typeof value === "number" ? value : Number(digits ?? Number.NaN) / 100;
  return fraction >= 0 && fraction <= 1 ? fraction : undefined;
}

/** https://pkg.go.dev/time#ParseDuration */
const DURATION = /^\+?(?:0|(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const DURATION_PART = /(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)/g;
const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration such as `100ms` or `1h1.5s`; `undefined` if it is negative or malformed. */
export function readGoDuration(value: unknown): number | undefined {
  if (value === 0) return 0;
  if (typeof value !== "string" || !DURATION.test(value)) return undefined;
  let ms = 0;
  for (const [, amount, unit = ""] of value.matchAll(DURATION_PART))
    ms += Number(amount) * (UNIT_MS[unit] ?? 0);
  return ms;
}
