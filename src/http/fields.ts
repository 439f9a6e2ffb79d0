/** https://www.rfc-editor.org/rfc/rfc9112#section-5 */
import {
  COLON,
  COMMA,
  CR,
  equalsAt,
  FIELD_VALUE,
  LF,
  LOWER,
  lowerBytes,
  NINE,
  SPACE,
  TAB,
  TOKEN,
  ZERO,
} from "./characters.ts";
import {
  BAD_CODING,
  BAD_FIELD_NAME,
  BAD_FIELD_VALUE,
  BAD_LENGTH,
  CHUNKED_NOT_LAST,
  FOLDED_FIELD,
  HEAD_TOO_LARGE,
  INCOMPLETE,
  TWO_LENGTHS,
} from "./problem.ts";

const CONTENT_LENGTH = lowerBytes("content-length");
const TRANSFER_ENCODING = lowerBytes("transfer-encoding");
const CONNECTION = lowerBytes("connection");
const EXPECT = lowerBytes("expect");
const HOST = lowerBytes("host");
const CHUNKED = lowerBytes("chunked");
const CLOSE = lowerBytes("close");
const KEEP_ALIVE = lowerBytes("keep-alive");
const CONTINUE = lowerBytes("100-continue");

const FIRST_CAPACITY = 24;
/** Maximum header lines of a message. Node accepts 2,000; nginx as many as fit into 32 KiB. */
const MAX_FIELDS = 256;
/** Up to 15 digits, a double is exact. */
const MAX_LENGTH_DIGITS = 15;

/**
 * The header lines of one message, in place: offsets into the received bytes, and the headers that frame the body. One
 * object serves a connection for its whole life.
 *
 *     positions:  nameStart nameEnd valueStart valueEnd | nameStart …
 */
export class Fields {
  bytes: Buffer = Buffer.alloc(0);
  count = 0;
  /** Four offsets for each line. */
  positions = new Int32Array(FIRST_CAPACITY * 4);

  /** -1 if there is no `Content-Length`. */
  contentLength = -1;
  isChunked = false;
  /** `Connection: close` */
  asksClose = false;
  /** `Connection: keep-alive` */
  asksKeepAlive = false;
  /** `Expect: 100-continue` */
  expectsContinue = false;
  hasOtherExpectation = false;
  hostCount = 0;
  /** Index of the last `Host` line; -1 if there is none. */
  hostIndex = -1;

  /** Reads lines up to and including the empty one. Returns the offset just past it, or a negative problem code. */
  scan(bytes: Buffer, start: number, end: number): number {
    this.bytes = bytes;
    this.count = 0;
    this.contentLength = -1;
    this.isChunked = false;
    this.asksClose = false;
    this.asksKeepAlive = false;
    this.expectsContinue = false;
    this.hasOtherExpectation = false;
    this.hostCount = 0;
    this.hostIndex = -1;
    let at = start;
    while (at < end) {
      if (bytes[at] === CR) {
        if (at + 1 === end) return INCOMPLETE;
        return bytes[at + 1] === LF ? at + 2 : BAD_FIELD_NAME;
      }
      const nameStart = at;
      while (at < end && TOKEN[bytes[at] as number] === 1) at++;
      if (at === end) return INCOMPLETE;
      if (bytes[at] !== COLON || at === nameStart) return describeBadName(bytes, nameStart, at);
      const nameEnd = at++;
      while (at < end && (bytes[at] === SPACE || bytes[at] === TAB)) at++;
      const valueStart = at;
      while (at < end && FIELD_VALUE[bytes[at] as number] === 1) at++;
      if (at === end) return INCOMPLETE;
      if (bytes[at] !== CR) return BAD_FIELD_VALUE;
      let valueEnd = at;
      while (valueEnd > valueStart && isBlank(bytes[valueEnd - 1])) valueEnd--;
      if (++at === end) return INCOMPLETE;
      if (bytes[at++] !== LF) return BAD_FIELD_VALUE;
      if (!this.#add(nameStart, nameEnd, valueStart, valueEnd)) return HEAD_TOO_LARGE;
      const problem = this.#noteFraming(nameStart, nameEnd - nameStart, valueStart, valueEnd);
      if (problem !== 0) return problem;
    }
    return INCOMPLETE;
  }

  /**
   * The index of the first line with this name, starting at line `from`; -1 if there is none. Its value lies between
   * {@link valueStart} and {@link valueEnd} in {@link bytes}.
   * @param name in lower case ({@link lowerBytes})
   */
  find(name: Uint8Array, from = 0): number {
    const { positions, bytes } = this;
    for (let i = from; i < this.count; i++) {
      const start = positions[i * 4] as number;
      if ((positions[i * 4 + 1] as number) - start === name.length && equalsAt(bytes, start, name)) return i;
    }
    return -1;
  }

  valueStart(index: number): number {
    return this.positions[index * 4 + 2] as number;
  }

  valueEnd(index: number): number {
    return this.positions[index * 4 + 3] as number;
  }

  /** The value as text; `null` if there is none. Lines with the same name are joined by a comma and a space. */
  get(name: string): string | null {
    const lower = lowerBytes(name);
    let found: string | null = null;
    for (let i = this.find(lower); i !== -1; i = this.find(lower, i + 1)) {
      const value = this.bytes.toString("latin1", this.valueStart(i), this.valueEnd(i));
      found = found === null ? value : `${found}, ${value}`;
    }
    return found;
  }

  /** All lines as sent. */
  list(): [name: string, value: string][] {
    return Array.from({ length: this.count }, (_, i) => [
      this.bytes.toString("latin1", this.positions[i * 4], this.positions[i * 4 + 1]),
      this.bytes.toString("latin1", this.valueStart(i), this.valueEnd(i)),
    ]);
  }

  #add(nameStart: number, nameEnd: number, valueStart: number, valueEnd: number): boolean {
    const at = this.count * 4;
    if (at === this.positions.length && !this.#grow()) return false;
    const { positions } = this;
    positions[at] = nameStart;
    positions[at + 1] = nameEnd;
    positions[at + 2] = valueStart;
    positions[at + 3] = valueEnd;
    this.count++;
    return true;
  }

  #grow(): boolean {
    if (this.count >= MAX_FIELDS) return false;
    const larger = new Int32Array(Math.min(this.count * 2, MAX_FIELDS) * 4);
    larger.set(this.positions);
    this.positions = larger;
    return true;
  }

  /** Returns 0, or a negative problem code. The length of the name rules out nearly every line without reading it. */
  #noteFraming(nameStart: number, length: number, start: number, end: number): number {
    const { bytes } = this;
    switch (length) {
      case 4:
        if (!equalsAt(bytes, nameStart, HOST)) return 0;
        this.hostCount++;
        this.hostIndex = this.count - 1;
        return 0;
      case 6:
        if (equalsAt(bytes, nameStart, EXPECT)) this.#noteExpectation(start, end);
        return 0;
      case 10:
        if (equalsAt(bytes, nameStart, CONNECTION)) this.#noteConnection(start, end);
        return 0;
      case 14:
        return equalsAt(bytes, nameStart, CONTENT_LENGTH) ? this.#noteLength(start, end) : 0;
      case 17:
        return equalsAt(bytes, nameStart, TRANSFER_ENCODING) ? this.#noteCoding(start, end) : 0;
      default:
        return 0;
    }
  }

  #noteExpectation(start: number, end: number): void {
    if (this.#isValue(start, end, CONTINUE)) this.expectsContinue = true;
    else this.hasOtherExpectation = true;
  }

  #noteLength(start: number, end: number): number {
    if (this.contentLength !== -1 || this.isChunked) return TWO_LENGTHS;
    if (start === end || end - start > MAX_LENGTH_DIGITS) return BAD_LENGTH;
    let length = 0;
    for (let at = start; at < end; at++) {
      const digit = this.bytes[at] as number;
      if (digit < ZERO || digit > NINE) return BAD_LENGTH;
      length = length * 10 + digit - ZERO;
    }
    this.contentLength = length;
    return 0;
  }

  #noteCoding(start: number, end: number): number {
    if (this.contentLength !== -1 || this.isChunked) return TWO_LENGTHS;
    if (!this.#isValue(start, end, CHUNKED)) return describeBadCoding(this.bytes, start, end);
    this.isChunked = true;
    return 0;
  }

  /** Looks for `close` and `keep-alive` in the list of options. */
  #noteConnection(start: number, end: number): void {
    const { bytes } = this;
    let at = start;
    while (at < end) {
      while (at < end && (isBlank(bytes[at]) || bytes[at] === COMMA)) at++;
      const option = at;
      while (at < end && bytes[at] !== COMMA) at++;
      let optionEnd = at;
      while (optionEnd > option && isBlank(bytes[optionEnd - 1])) optionEnd--;
      if (this.#isValue(option, optionEnd, CLOSE)) this.asksClose = true;
      else if (this.#isValue(option, optionEnd, KEEP_ALIVE)) this.asksKeepAlive = true;
    }
  }

  #isValue(start: number, end: number, lower: Uint8Array): boolean {
    return end - start === lower.length && equalsAt(this.bytes, start, lower);
  }
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function describeBadName(bytes: Uint8Array, start: number, at: number): number {
  return at === start && isBlank(bytes[start]) ? FOLDED_FIELD : BAD_FIELD_NAME;
}

/** An unknown coding is not implemented; but unless `chunked` comes last, and only once, the body has no end (RFC 9112, 6.3). */
function describeBadCoding(bytes: Buffer, start: number, end: number): number {
  const codings = bytes.toString("latin1", start, end).toLowerCase().split(",");
  const chunked = codings.findIndex((coding) => coding.trim() === "chunked");
  return chunked === -1 || chunked === codings.length - 1 ? BAD_CODING : CHUNKED_NOT_LAST;
}

/** Whether a field can be sent: the name is a token, and the value is Latin-1 without control characters. */
export function isField(name: string, value: string): boolean {
  return name.length > 0 && isMadeOf(TOKEN, name) && isMadeOf(FIELD_VALUE, value);
}

function isMadeOf(table: Uint8Array, text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    // The table is undefined for codes above 255.
    if (table[text.charCodeAt(i)] !== 1) return false;
  }
  return true;
}

/** Whether a name equals a lower-case header name, ignoring case. */
export function isSameName(name: string, lower: Uint8Array): boolean {
  if (name.length !== lower.length) return false;
  for (let i = 0; i < name.length; i++) {
    if (LOWER[name.charCodeAt(i)] !== lower[i]) return false;
  }
  return true;
}
