const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** The position of a value; `end` is the offset just past it. */
export interface Place {
  readonly start: number;
  readonly end: number;
}

/** Consecutive values of a list, with the commas between them. */
export interface Slice extends Place {
  readonly values: number;
}

/** Maps the start of each large nested value to its end, so that it need not be walked again. */
export type LargeValues = ReadonlyMap<number, number>;

/** Smaller values are walked again wherever they occur. */
const LARGE_BYTES = 16 * 1024;
/** A walk takes about 5 ms for this many bytes. */
const PIECE_BYTES = 256 * 1024;
const NOTHING_KNOWN: LargeValues = new Map();

/**
 * Maximum number of values in a large span, or in what surrounds spans. Such a piece is parsed in one go, and this many
 * values take about 20 ms from text to store.
 */
const MAX_VALUES = 50_000;
/** A smaller piece takes less time than that, whatever it contains. */
const UNCHECKED_BYTES = 256 * 1024;
/** Jackson's limit. Deeper values are an attack on recursive parsers. */
const MAX_DEPTH = 1000;
/** Maximum number of fields in an object around the spans. */
const MAX_MEMBERS = 1000;

/** @throws {SyntaxError} if a piece has too many values, or is nested too deeply, to be parsed in one go */
export function checkPiece(bytes: Uint8Array, { start, end }: Place): void {
  if (end - start <= UNCHECKED_BYTES) return;
  let [values, depth] = [0, 0];
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = skipText(bytes, at) - 1;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      values++;
      if (++depth > MAX_DEPTH) throw tooDeep();
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) depth--;
    else if (byte === COMMA) values++;
    if (values > MAX_VALUES) {
      throw new SyntaxError(`Expected at most ${MAX_VALUES} values in one span but found more at byte ${at}`);
    }
  }
}

function tooDeep(): SyntaxError {
  return new SyntaxError(`Expected at most ${MAX_DEPTH} levels of nesting but found more`);
}

/** Finds the large values of a text in one walk, which yields now and then. Malformed JSON is left for the parser to report. */
export function* findLargeValues(bytes: Uint8Array): Generator<void, LargeValues> {
  const ends = new Map<number, number>();
  const open: number[] = [];
  let pauseAt = PIECE_BYTES;
  for (let at = 0; at < bytes.length; at++) {
    if (at >= pauseAt) {
      yield;
      pauseAt = at + PIECE_BYTES;
    }
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = skipText(bytes, at) - 1;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) {
      if (open.push(at) > MAX_DEPTH) throw tooDeep();
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_LIST) {
      const start = open.pop();
      if (start !== undefined && at - start >= LARGE_BYTES) ends.set(start, at + 1);
    }
  }
  return ends;
}

/**
 * Cuts a JSON list into slices of about `sliceBytes` that can each be parsed on their own. Does not look inside the values:
 * a list is valid if this generator finishes and each slice can be parsed.
 * @param maxValues maximum number of values in a slice
 * @throws {SyntaxError} if it is not a list, or is followed by other text
 */
export function* sliceJsonList(
  bytes: Uint8Array,
  sliceBytes: number,
  place: Place = { start: 0, end: bytes.length },
  known: LargeValues = NOTHING_KNOWN,
  maxValues = Infinity,
): Generator<Slice> {
  let at = expect(bytes, skipSpace(bytes, place.start), OPEN_LIST, "a list");
  let [start, values] = [skipSpace(bytes, at), 0];
  at = start;
  if (bytes[at] !== CLOSE_LIST) {
    for (;;) {
      const end = skipValue(bytes, at, known);
      values++;
      at = skipSpace(bytes, end);
      const isLast = bytes[at] !== COMMA;
      if (isLast || end - start >= sliceBytes || values >= maxValues) {
        yield { start, end, values };
        [start, values] = [skipSpace(bytes, at + 1), 0];
      }
      if (isLast) break;
      at = skipSpace(bytes, at + 1);
    }
  }
  expectEnd(bytes, expect(bytes, at, CLOSE_LIST, "a comma or the end of the list"), place.end);
}

/**
 * The positions of an object's values, by key. The last value of a duplicate key wins, as in a parser.
 * @throws {SyntaxError} if it is not an object, is followed by other text, or an overridden value is malformed
 */
export function findMembers(
  bytes: Uint8Array,
  place: Place,
  known: LargeValues = NOTHING_KNOWN,
): Map<string, Place> {
  const members = new Map<string, Place>();
  let at = skipSpace(bytes, expect(bytes, skipSpace(bytes, place.start), OPEN_OBJECT, "an object"));
  if (bytes[at] !== CLOSE_OBJECT) {
    for (let count = 1; ; count++) {
      if (bytes[at] !== QUOTE) throw misplaced(bytes, at, "a key");
      const keyEnd = skipText(bytes, at);
      const key = JSON.parse(textAt(bytes, { start: at, end: keyEnd })) as string;
      if (count > MAX_MEMBERS) throw misplaced(bytes, at, `at most ${MAX_MEMBERS} fields`);
      const start = skipSpace(bytes, expect(bytes, skipSpace(bytes, keyEnd), COLON, "a colon"));
      const end = skipValue(bytes, start, known);
      const former = members.get(key);
      if (former !== undefined) JSON.parse(textAt(bytes, former)); // nothing else would check it
      members.set(key, { start, end });
      at = skipSpace(bytes, end);
      if (bytes[at] !== COMMA) break;
      at = skipSpace(bytes, at + 1);
    }
  }
  expectEnd(bytes, expect(bytes, at, CLOSE_OBJECT, "a comma or the end of the object"), place.end);
  return members;
}

/** The text at a position. Without `Buffer`, which browsers lack. */
export function textAt(bytes: Uint8Array, { start, end }: Place): string {
  return utf8.decode(bytes.subarray(start, end));
}

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** The offset just past the value at `at`. @throws {SyntaxError} if no value begins there, or it does not end */
export function skipValue(bytes: Uint8Array, at: number, known: LargeValues = NOTHING_KNOWN): number {
  const byte = bytes[at];
  if (byte === QUOTE) return skipText(bytes, at);
  if (byte === OPEN_OBJECT || byte === OPEN_LIST) return known.get(at) ?? skipNested(bytes, at);
  let end = at;
  while (end < bytes.length && isPlain(bytes[end] as number)) end++;
  if (end === at) throw misplaced(bytes, at, "a value");
  return end;
}

function skipNested(bytes: Uint8Array, from: number): number {
  let depth = 0;
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) at = skipText(bytes, at) - 1;
    else if (byte === OPEN_OBJECT || byte === OPEN_LIST) depth++;
    else if ((byte === CLOSE_OBJECT || byte === CLOSE_LIST) && --depth === 0) return at + 1;
  }
  throw misplaced(bytes, bytes.length, "a closing bracket");
}

function skipText(bytes: Uint8Array, from: number): number {
  for (let at = from + 1; at < bytes.length; at++) {
    const byte = bytes[at] as number;
    if (byte === QUOTE) return at + 1;
    if (byte === BACKSLASH) at++;
  }
  throw misplaced(bytes, bytes.length, "the end of a string");
}

function expect(bytes: Uint8Array, at: number, byte: number, what: string): number {
  if (bytes[at] !== byte) throw misplaced(bytes, at, what);
  return at + 1;
}

function expectEnd(bytes: Uint8Array, from: number, end: number): void {
  const at = skipSpace(bytes, from);
  if (at < end) throw misplaced(bytes, at, "nothing more");
}

function misplaced(bytes: Uint8Array, at: number, wanted: string): SyntaxError {
  const found = at < bytes.length ? JSON.stringify(String.fromCharCode(bytes[at] as number)) : "the end";
  return new SyntaxError(`Expected ${wanted} but found ${found} at byte ${at}`);
}

function skipSpace(bytes: Uint8Array, from: number): number {
  let at = from;
  while (isSpace(bytes[at])) at++;
  return at;
}

/** Bytes of numbers, `true`, `false` and `null`; the parser checks them more closely. */
function isPlain(byte: number): boolean {
  return !isSpace(byte) && byte !== COMMA && byte !== CLOSE_LIST && byte !== CLOSE_OBJECT && byte !== COLON;
}

function isSpace(byte: number | undefined): boolean {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09;
}
