import { NINE, ZERO } from "./characters.ts";
import { BAD_START_LINE, BAD_VERSION, INCOMPLETE } from "./problem.ts";

const PREFIX = Buffer.from("HTTP/1.");
const MAJOR = 5;

/** Reads the eight bytes `HTTP/1.x` and returns the last, or a negative problem code. Later minor versions are read as 1.1. */
export function scanVersion(bytes: Uint8Array, start: number, end: number): number {
  for (let i = 0; i < PREFIX.length; i++) {
    if (start + i === end) return INCOMPLETE;
    const byte = bytes[start + i];
    if (byte !== PREFIX[i]) return i === MAJOR && isDigit(byte) ? BAD_VERSION : BAD_START_LINE;
  }
  if (start + 7 === end) return INCOMPLETE;
  const minor = bytes[start + 7];
  return isDigit(minor) ? minor : BAD_START_LINE;
}

function isDigit(byte: number | undefined): byte is number {
  return byte !== undefined && byte >= ZERO && byte <= NINE;
}
