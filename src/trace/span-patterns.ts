import { isDeepStrictEqual } from "node:util";
import type { Span } from "./span.ts";

// Spans of one call in one service are the same bytes except for ids and times. A pattern is such a span with holes:
//
//   {"traceId":"████","id":"████","kind":"SERVER","name":"get","timestamp":████,"duration":████,"tags":{…}}
//
// Bytes that equal the pattern between the holes, and have a valid value in each hole, are read without a parser, in a
// tenth of the time. All spans of a pattern share their endpoints and tags, which the store then encodes once.

/** The fields that differ from span to span. */
export type HoleField = "traceId" | "parentId" | "id" | "timestamp" | "duration";

/** The encoding of a hole: hex or decimal digits in JSON; bytes, fixed64 or a varint in protobuf. */
export type HoleForm = "hex" | "digits" | "bytes" | "fixed64" | "varint";

/** The position of a value, relative to the beginning of the span. */
export interface Hole {
  readonly field: HoleField;
  readonly form: HoleForm;
  readonly start: number;
  readonly end: number;
}

interface Pattern {
  readonly holes: readonly Hole[];
  /** The bytes before each hole and after the last one. */
  readonly between: readonly DataView[];
  readonly example: Span;
  /** The pattern that followed this one last time. */
  next: Pattern | undefined;
}

/** Maximum number of patterns: at most 4 MB of bytes. */
const MAX_PATTERNS = 1024;
const MAX_BYTES = 4096;
/** Number of recent patterns to try when the expected one does not match. */
const TRIED = 8;
/** Learning a pattern takes as long as this many matches save. */
const PRICE = 16;
const MAX_CREDIT = 16 * PRICE;

const ZERO_ID = "0".repeat(16);

const shared = new WeakSet<object>();

/** Whether other spans share this very object, and have the same name, kind and endpoints. */
export function areShared(tags: object): boolean {
  return shared.has(tags);
}

/** Reads spans that resemble earlier ones. */
export class SpanPatterns {
  /** The offset just past the span that was read last. */
  end = 0;
  #count = 0;
  #last: Pattern | undefined;
  /** The most recently used patterns. */
  readonly #recent: Pattern[] = [];
  #credit = MAX_CREDIT;
  #value = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #view = viewOf(this.#bytes);
  readonly #lastTraceId = new LastId();
  readonly #lastSpanId = new LastId();

  /** The span that begins at `at`; `undefined` if it does not resemble an earlier one. */
  read(bytes: Buffer, at: number): Span | undefined {
    const expected = this.#last?.next;
    if (expected !== undefined) {
      const span = this.#match(expected, bytes, at);
      if (span !== undefined) {
        this.#last = expected;
        return span;
      }
    }
    for (const [index, pattern] of this.#recent.entries()) {
      if (pattern === expected) continue;
      const span = this.#match(pattern, bytes, at);
      if (span === undefined) continue;
      this.#recent.splice(index, 1);
      this.#follow(pattern);
      return span;
    }
    return undefined;
  }

  /**
   * Whether to learn a span that does not resemble an earlier one. If the tags of every span differ, learning soon stops
   * paying and the batch is better read without patterns; an occasional batch still tries.
   */
  isWorthLearning(): boolean {
    this.#credit++;
    if (this.#credit < PRICE) return false;
    this.#credit -= PRICE;
    return true;
  }

  /** Makes a pattern of a span that the parser has read. */
  learn(bytes: Buffer, start: number, end: number, holes: Hole[], example: Span): void {
    if (end - start > MAX_BYTES || example.tags === undefined || example.annotations !== undefined) return;
    // Ids are compared word by word; the parser pads shorter ones with zeros.
    if (holes.some(({ form, start, end }) => (form === "hex" || form === "bytes") && (end - start) % 8 !== 0))
      return;
    holes.sort((a, b) => a.start - b.start);
    const edges = [0, ...holes.flatMap((hole) => [hole.start, hole.end]), end - start];
    const between = Array.from({ length: holes.length + 1 }, (_, index) =>
      viewOf(
        Buffer.from(bytes.subarray(start + (edges[index * 2] ?? 0), start + (edges[index * 2 + 1] ?? 0))),
      ),
    );
    const pattern: Pattern = { holes, between, example, next: undefined };
    if (!isDeepStrictEqual(this.#match(pattern, bytes, start), example) || this.end !== end) return;
    shared.add(example.tags);
    if (++this.#count > MAX_PATTERNS) this.#forget();
    this.#follow(pattern);
  }

  #follow(pattern: Pattern): void {
    if (this.#last !== undefined) this.#last.next = pattern;
    this.#last = pattern;
    this.#recent.unshift(pattern);
    if (this.#recent.length > TRIED) this.#recent.pop();
  }

  #forget(): void {
    this.#count = 0;
    this.#last = undefined;
    this.#recent.length = 0;
  }

  #match({ holes, between, example }: Pattern, bytes: Buffer, start: number): Span | undefined {
    if (bytes !== this.#bytes) this.#open(bytes);
    let at = start;
    let [traceId, parentId, id] = ["", "", ""];
    let [timestamp, duration] = [0, 0];
    for (let index = 0; index < holes.length; index++) {
      const before = between[index] as DataView;
      if (!isAt(this.#view, at, before)) return undefined;
      at += before.byteLength;
      const { field, form, start: from, end: to } = holes[index] as Hole;
      if (form === "hex" || form === "bytes") {
        const last = field === "traceId" ? this.#lastTraceId : this.#lastSpanId;
        const end = at + to - from;
        const text = last.isAt(this.#view, at, end) ? last.text : last.read(bytes, at, end, form);
        if (text === "") return undefined;
        if (field === "traceId") traceId = text;
        else if (field === "id") id = text;
        else parentId = text;
        at = end;
      } else {
        at = form === "digits" ? this.#readDigits(bytes, at) : this.#readBinary(bytes, at, form);
        if (!(this.#value > 0 && this.#value <= Number.MAX_SAFE_INTEGER)) return undefined;
        if (field === "timestamp") timestamp = this.#value;
        else duration = this.#value;
      }
    }
    const rest = between[holes.length] as DataView;
    if (!isAt(this.#view, at, rest) || id === parentId) return undefined;
    this.end = at + rest.byteLength;
    if (this.#credit < MAX_CREDIT) this.#credit++;
    return fill(example, traceId, id, parentId, timestamp, duration);
  }

  #open(bytes: Buffer): void {
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
    this.#lastTraceId.forget();
    this.#lastSpanId.forget();
  }

  /** Sets the value, and returns the offset just past it. */
  #readDigits(bytes: Buffer, start: number): number {
    let at = start;
    let value = 0;
    // With a leading 0 it is another number, or malformed.
    if (bytes[at] !== ZERO)
      for (
        let digit = (bytes[at] as number) - ZERO;
        digit >= 0 && digit <= 9;
        digit = (bytes[at] as number) - ZERO
      ) {
        value = value * 10 + digit;
        at++;
      }
    this.#value = value;
    return at;
  }

  #readBinary(bytes: Buffer, start: number, form: HoleForm): number {
    this.#value = 0;
    if (form === "fixed64") {
      if (start + 8 > bytes.length) return start;
      this.#value = bytes.readUInt32LE(start) + bytes.readUInt32LE(start + 4) * 2 ** 32;
      return start + 8;
    }
    let [value, factor] = [0, 1];
    for (let at = start; at < start + MAX_VARINT_BYTES && at < bytes.length; at++) {
      const byte = bytes[at] as number;
      value += (byte & 0x7f) * factor;
      factor *= 0x80;
      if (byte >= 0x80) continue;
      this.#value = value;
      return at + 1;
    }
    return start;
  }
}

const ZERO = 0x30;
/** Enough for every integer that a double represents exactly. */
const MAX_VARINT_BYTES = 8;

/** Compares word by word: a third faster than byte by byte, and for so few bytes faster than a native call. */
function isAt(view: DataView, at: number, wanted: DataView): boolean {
  const length = wanted.byteLength;
  if (at + length > view.byteLength) return false;
  let index = 0;
  for (; index + 4 <= length; index += 4)
    if (view.getInt32(at + index) !== wanted.getInt32(index)) return false;
  for (; index < length; index++) if (view.getUint8(at + index) !== wanted.getUint8(index)) return false;
  return true;
}

function viewOf({ buffer, byteOffset, length }: Buffer): DataView {
  return new DataView(buffer, byteOffset, length);
}

/** The id that was read last: the next one is often the same, and comparing costs a fourth of creating a string. */
class LastId {
  text = "";
  #start = 0;
  #end = 0;

  isAt(view: DataView, start: number, end: number): boolean {
    if (this.#end - this.#start !== end - start || end > view.byteLength) return false;
    for (let offset = 0; offset < end - start; offset += 4)
      if (view.getInt32(start + offset) !== view.getInt32(this.#start + offset)) return false;
    return true;
  }

  /** Empty if it is not an id, or is written in another form. */
  read(bytes: Buffer, start: number, end: number, form: HoleForm): string {
    if (end > bytes.length || (form === "hex" && !isHex(bytes, start, end))) return "";
    const text = bytes.toString(form === "hex" ? "latin1" : "hex", start, end);
    if (text.startsWith(ZERO_ID)) return "";
    [this.text, this.#start, this.#end] = [text, start, end];
    return text;
  }

  forget(): void {
    this.#end = -1;
  }
}

function isHex(bytes: Buffer, start: number, end: number): boolean {
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte < 0x30 || byte > 0x66 || (byte > 0x39 && byte < 0x61)) return false;
  }
  return true;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Sets fields in the order of `normalizeSpan`, so that equal spans have equal JSON. */
function fill(
  { kind, name, localEndpoint, remoteEndpoint, tags, debug, shared }: Span,
  traceId: string,
  id: string,
  parentId: string,
  timestamp: number,
  duration: number,
): Span {
  const span: Mutable<Span> = { traceId, id };
  if (parentId !== "") span.parentId = parentId;
  if (kind !== undefined) span.kind = kind;
  if (name !== undefined) span.name = name;
  if (timestamp !== 0) span.timestamp = timestamp;
  if (duration !== 0) span.duration = duration;
  if (localEndpoint !== undefined) span.localEndpoint = localEndpoint;
  if (remoteEndpoint !== undefined) span.remoteEndpoint = remoteEndpoint;
  if (tags !== undefined) span.tags = tags;
  if (debug) span.debug = true;
  if (shared) span.shared = true;
  return span;
}
