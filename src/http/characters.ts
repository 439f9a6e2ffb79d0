/** Character classes of RFC 9110 (5.6.2, 5.5) and RFC 9112 as tables, so that each byte costs one look-up. */

export const TAB = 0x09;
export const LF = 0x0a;
export const CR = 0x0d;
export const SPACE = 0x20;
export const HASH = 0x23;
export const PERCENT = 0x25;
export const COMMA = 0x2c;
export const SLASH = 0x2f;
export const ZERO = 0x30;
export const NINE = 0x39;
export const COLON = 0x3a;
export const SEMICOLON = 0x3b;

/** 1 for bytes of a `token`: methods and field names. */
export const TOKEN = tableOf(
  (byte) => /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte)) && byte < 0x80,
);

/** 1 for bytes of a field value: visible characters, space, tab and bytes from 0x80. No control characters. */
export const FIELD_VALUE = tableOf((byte) => byte === TAB || (byte >= SPACE && byte !== 0x7f));

/** 1 for bytes of a request target: visible ASCII except `#`, because clients do not send fragments. */
export const TARGET = tableOf((byte) => byte > SPACE && byte < 0x7f && byte !== HASH);

/** Maps ASCII letters to lower case, and other bytes to themselves. */
export const LOWER = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte,
);

/** The value of a hexadecimal digit; 255 for other bytes. */
export const HEX_VALUE = Uint8Array.from({ length: 256 }, (_, byte) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(LOWER[byte] as number));
  return value === -1 ? 255 : value;
});

function tableOf(holds: (byte: number) => boolean): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, byte) => (holds(byte) ? 1 : 0));
}

/** Whether `bytes` contains `lower` at `start`, ignoring case. The range must lie within `bytes`. */
export function equalsAt(bytes: Uint8Array, start: number, lower: Uint8Array): boolean {
  for (let i = 0; i < lower.length; i++) {
    if (LOWER[bytes[start + i] as number] !== lower[i]) return false;
  }
  return true;
}

/** Maximum number of cached names. Programs ask for few, but nothing guarantees it. */
const MAX_KNOWN = 256;
const known = new Map<string, Uint8Array>();

/** The bytes of a Latin-1 text in lower case, for {@link equalsAt} and header look-ups. */
export function lowerBytes(text: string): Uint8Array {
  const found = known.get(text);
  if (found !== undefined) return found;
  const bytes = Buffer.from(text.toLowerCase(), "latin1");
  if (known.size < MAX_KNOWN) known.set(text, bytes);
  return bytes;
}
