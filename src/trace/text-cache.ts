const PLACES = 4096;
/** Longer texts are hardly ever the same. */
const MAX_LENGTH = 48;

const texts: string[] = new Array(PLACES).fill("");

/**
 * The UTF-8 text of some bytes. Spans repeat their names, keys and most values: a short text that was read before is compared
 * in place and taken as it is, in a third of the time that making a text takes, and it is known by its hash from then on.
 */
export function readUtf8(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length > MAX_LENGTH || length === 0) return bytes.toString("utf8", start, end);
  let hash = length;
  for (let at = start; at < end; at++) hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  const place = (hash ^ (hash >>> 15)) & (PLACES - 1);
  const known = texts[place] as string;
  if (isText(known, bytes, start, length)) return known;
  const text = bytes.toString("utf8", start, end);
  texts[place] = text;
  return text;
}

/** Never true of a text with characters beyond ASCII, whose bytes are others than its codes. */
function isText(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const byte = bytes[start + index] as number;
    if (byte > 0x7f || text.charCodeAt(index) !== byte) return false;
  }
  return true;
}
