const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;

/**
 * Cuts a JSON list of objects into lists of about `sliceBytes`, so that each can be parsed on its own. Ends early, with
 * the rest of the bytes unread, where what follows cannot be a list of objects: then the whole has to be parsed to find
 * what is wrong. Returns whether it came to the list's end.
 */
export function* sliceJsonList(
  bytes: Uint8Array,
  sliceBytes: number,
): Generator<{ readonly text: string; readonly objects: number }, boolean> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  let start = 1;
  let objects = 0;
  let wantsObject = false;
  for (let at = 1; at < bytes.length; ) {
    const byte = bytes[at] as number;
    if (byte === OPEN_OBJECT && (objects === 0 || wantsObject)) {
      at = findEnd(bytes, at);
      if (at < 0) return false;
      objects++;
      wantsObject = false;
    } else if (byte === COMMA && objects > 0 && !wantsObject) {
      if (at - start >= sliceBytes) {
        yield { text: `[${buffer.toString("utf8", start, at)}]`, objects };
        start = at + 1;
        objects = 0;
        at++;
        // A list that ends after a comma is wrong, and so is what stands for it here.
        if (!beginsObject(bytes, at)) return false;
        continue;
      }
      wantsObject = true;
      at++;
    } else if (byte === CLOSE_LIST && !wantsObject) {
      if (!isBlank(bytes, at + 1)) return false;
      yield { text: `[${buffer.toString("utf8", start, at)}]`, objects };
      return true;
    } else if (isSpace(byte)) at++;
    else return false;
  }
  return false;
}

/** Behind the bracket that closes the one at `at`; -1 when none does. */
function findEnd(bytes: Uint8Array, at: number): number {
  let depth = 0;
  for (let index = at; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    if (byte === QUOTE) {
      index = findQuote(bytes, index + 1);
      if (index < 0) return -1;
    } else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && --depth === 0) return index + 1;
  }
  return -1;
}

function findQuote(bytes: Uint8Array, from: number): number {
  for (let index = from; index < bytes.length; index++) {
    const byte = bytes[index] as number;
    if (byte === QUOTE) return index;
    if (byte === BACKSLASH) index++;
  }
  return -1;
}

function beginsObject(bytes: Uint8Array, from: number): boolean {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return bytes[at] === OPEN_OBJECT;
}

function isBlank(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.length; at++) if (!isSpace(bytes[at])) return false;
  return true;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
