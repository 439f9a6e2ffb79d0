const PLACES = 4096;
/** Longer texts rarely repeat. */
const MAX_LENGTH = 48;

const texts: string[] = new Array(PLACES).fill("");

/**
 * Decodes UTF-8. Spans repeat their names, keys and most values: a short text that was read before is found by its hash,
 * compared in place and reused, which takes a third of the time of decoding, and the string keeps its cached hash.
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

/** Always false for text beyond ASCII, because its bytes differ from its character codes. */
function isText(text: string, bytes: Uint8Array, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let index = 0; index < length; index++) {
    const byte = bytes[start + index] as number;
    if (byte > 0x7f || text.charCodeAt(index) !== byte) return false;
  }
  return true;
}
