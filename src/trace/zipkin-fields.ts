// Fields of Zipkin v2 JSON as they are meant, and what is wrong with those that are not.

/** A batch that is not Zipkin v2. The message is Zipkin's where clients look at it, and names the place otherwise. */
export class ZipkinError extends Error {
  override readonly name = "ZipkinError";
}

export type Json = Readonly<Record<string, unknown>>;

/**
 * A number stands where a string is meant. Zipkin takes the digits as they were written (`1.0`, 64-bit ids), which
 * `JSON.parse` has lost. The batch is then parsed once more with every number as its text: a reviver makes
 * parsing several times slower, and next to no client writes numbers there.
 */
export const NUMBER_FOR_TEXT = Symbol("a number where a string is meant");

export function readObject(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw misfit("an object", value, path);
  }
  return value as Json;
}

/** Where it stands is given in two parts, as it is put together only when something is wrong. */
export function readText(value: unknown, path: string, field?: string): string | undefined {
  if (typeof value === "string") return value;
  if (isAbsent(value)) return undefined;
  if (typeof value === "number") throw NUMBER_FOR_TEXT;
  throw misfit("a string", value, placeOf(path, field));
}

function placeOf(path: string, field: string | undefined): string {
  return field === undefined ? path : `${path}.${field}`;
}

/** The limit of 64 bits, signed. The number nearest to it is 2^63, which `stringifySpans` writes as 2^63 - 1. */
const MAX_LONG = 2 ** 63;

/** Also from a string of digits, as in Zipkin. */
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

/** What is wrong inside one span; `path` is relative to it. */
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

/** Short, and never a walk into what may be nested a million levels deep. */
function describe(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "an object";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 40 ? `${text.slice(0, 40)}…` : text;
}
