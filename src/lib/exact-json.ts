import { parseWellFormed } from "./well-formed-json.ts";

/** Matches every whole number beyond 2^53, and also some texts and smaller numbers. */
const LARGE = /\d{17}|9\d{15}/;

/**
 * Like `parseWellFormed`, but whole numbers that a double cannot hold, such as 64-bit hashes, become strings.
 * @param large a narrower pattern, for text with many digits that are not such numbers
 * @throws {SyntaxError}
 */
export function parseExactly(text: string, large = LARGE): unknown {
  return large.test(text) ? parseWellFormed(text, withSource(keepDigits)) : parseWellFormed(text);
}

function keepDigits(source: string, number: number): string | number {
  return !Number.isSafeInteger(number) && /^-?\d+$/.test(source) ? source : number;
}

type Reviver = (key: string, value: unknown) => unknown;

/** A reviver that reads numbers from their source text. The third argument is ES2026 and not yet in TypeScript's library. */
export function withSource(read: (source: string, number: number) => unknown): Reviver {
  const reviver = (_key: string, value: unknown, { source = "" }: { readonly source?: string }) =>
    typeof value === "number" ? read(source, value) : value;
  return reviver as Reviver;
}
