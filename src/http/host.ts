/** https://www.rfc-editor.org/rfc/rfc9110#section-7.2, https://www.rfc-editor.org/rfc/rfc3986#section-3.2.2 */
import { isIPv6 } from "node:net";
import { COLON, HEX_VALUE, NINE, PERCENT, ZERO } from "./characters.ts";

/** 1 for bytes of a registered name or IPv4 address, except percent-encoded ones. */
const NAME = Uint8Array.from({ length: 256 }, (_, byte) =>
  byte < 0x80 && /[A-Za-z0-9\-._~!$&'()*+,;=]/.test(String.fromCharCode(byte)) ? 1 : 0,
);
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const FUTURE_ADDRESS = /^v[0-9a-f]+\.[a-z0-9\-._~!$&'()*+,;=:]+$/i;
const MAX_PORT = 65_535;

/** Whether the bytes are `host` or `host:port` with a non-empty host. */
export function isHost(bytes: Uint8Array, start: number, end: number): boolean {
  let at = start;
  while (at < end && NAME[bytes[at] as number] === 1) at++;
  if (at === end) return at > start;
  if (bytes[at] === PERCENT || bytes[at] === OPENING_BRACKET) at = skipRareHost(bytes, start, end);
  return at > start && (at === end || isPort(bytes, at, end));
}

/** {@link isHost} for a text. */
export function isHostText(text: string): boolean {
  const bytes = Buffer.from(text, "latin1");
  return isHost(bytes, 0, bytes.length);
}

/** The offset just past a host in brackets or with percent-encoded bytes; `start` if it is malformed. */
function skipRareHost(bytes: Uint8Array, start: number, end: number): number {
  if (bytes[start] === OPENING_BRACKET) {
    const closing = bytes.indexOf(CLOSING_BRACKET, start);
    if (closing === -1 || closing >= end) return start;
    const address = Buffer.from(bytes.subarray(start + 1, closing)).toString("latin1");
    // A zone (`%eth0`) only has a meaning on the client.
    const isAddress = (isIPv6(address) && !address.includes("%")) || FUTURE_ADDRESS.test(address);
    return isAddress ? closing + 1 : start;
  }
  let at = start;
  while (at < end && bytes[at] !== COLON) {
    if (bytes[at] === PERCENT) {
      if (at + 2 >= end || HEX_VALUE[bytes[at + 1] as number] === 255) return start;
      if (HEX_VALUE[bytes[at + 2] as number] === 255) return start;
      at += 3;
    } else if (NAME[bytes[at] as number] === 1) at++;
    else return start;
  }
  return at;
}

/** Whether nothing but a colon and a port, which may be empty, follows. */
function isPort(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[start] !== COLON) return false;
  let port = 0;
  for (let at = start + 1; at < end; at++) {
    const digit = bytes[at] as number;
    if (digit < ZERO || digit > NINE) return false;
    port = port * 10 + digit - ZERO;
    if (port > MAX_PORT) return false;
  }
  return true;
}
