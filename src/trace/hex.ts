/** Reads and writes ids as bytes of lower-case hex digits, one 32-bit word (8 digits) at a time. */

const DIGITS = Buffer.from("0123456789abcdef");
/** The value of each digit; other bytes have bit 7 set. */
const VALUES = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = DIGITS.indexOf(byte);
  return value === -1 ? 0x80 : value;
});

/** Writes eight digits at `at`. */
export function writeWord(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = DIGITS[word >>> 28] as number;
  bytes[at + 1] = DIGITS[(word >>> 24) & 15] as number;
  bytes[at + 2] = DIGITS[(word >>> 20) & 15] as number;
  bytes[at + 3] = DIGITS[(word >>> 16) & 15] as number;
  bytes[at + 4] = DIGITS[(word >>> 12) & 15] as number;
  bytes[at + 5] = DIGITS[(word >>> 8) & 15] as number;
  bytes[at + 6] = DIGITS[(word >>> 4) & 15] as number;
  bytes[at + 7] = DIGITS[word & 15] as number;
}

/** The unsigned word that eight digits spell; -1 if one is not a lower-case hex digit. */
export function readWord(bytes: Uint8Array, at: number): number {
  let word = 0;
  let seen = 0;
  for (let i = at; i < at + 8; i++) {
    const value = VALUES[bytes[i] as number] as number;
    seen |= value;
    word = (word << 4) | value;
  }
  return seen > 15 ? -1 : word >>> 0;
}

/** The value of one lower-case hex digit; -1 for other bytes. */
export function readDigit(bytes: Uint8Array, at: number): number {
  const value = VALUES[bytes[at] as number] as number;
  return value > 15 ? -1 : value;
}
