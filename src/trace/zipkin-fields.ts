// Reads fields of Zipkin v2 JSON, and describes malformed ones.

/** The batch is not Zipkin v2. The message equals Zipkin's where clients depend on it, and otherwise names the place. */
export class ZipkinError extends Error {
  override readonly name = "ZipkinError";
}

export type Json = Readonly<Record<string, unknown>>;

/**
 * The batch has a number where a string is expected. Zipkin takes the digits as written (`1.0`, 64-bit ids), which
 * `JSON.parse` loses. The batch is then parsed again with every number as its text: a reviver makes parsing several
 * times slower, and hardly any client writes numbers there.
 */
export const NUMBER_FOR_TEXT = Symbol("a number where a string is expected");

export function readObject(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw misfit("an object", value, path);
  }
  return value as Json;
}

/** The place comes in two parts, because it is only put together when something is wrong. */
export function readText(value: unknown, path: string, field?: string): string | undefined {
  if (typeof value === "string") return value;
  if (isAbsent(value)) return undefined;
  if (typeof value === "number") throw NUMBER_FOR_TEXT;
  throw misfit("a string", value, placeOf(path, field));
}

function placeOf(path: string, field: string | undefined): string {
  return field === undefined ? path : `${path}.${field}`;
}

/** The limit of signed 64-bit integers. The nearest double is 2^63, which `stringifySpans` writes as 2^63 - 1. */
const MAX_LONG = 2 ** 63;

/** Also accepts a string of digits, as Zipkin does. */
export function readWholeNumber(value: unknown, path: string, field?: string): number | undefined {
  if (isAbsent(value)) return undefined;
  const number = typeof value === "string" && /^\s*-?\d[\d.eE+-]*\s*$/.test(value) ? Number(value) : value;
  if (!Number.isInteger(number) || Math.abs(number as number) > MAX_LONG) {
    throw misfit("a whole number", value, placeOf(path, field));
  }
  return number as number;
}

export function readFlag(value: unknown, path: string): boolean {
  if (isAbsent(value)) return false;
  if (typeof value !== "boolean") throw misfit("true or false", value, path);
  return value;
}

export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** A problem inside one span; `path` is relative to the span. */
export class Misfit extends Error {
  readonly path: string;
  constructor(message: string, path: string) {
    super(message);
    this.path = path;
  }
}

export function misfit(expected: string, found: unknown, path: string): Misfit {
  return new Misfit(`Expected ${expected} but found ${describe(found)}`, path);
}

/** A short description that does not descend into values, which may be nested a million levels deep. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
