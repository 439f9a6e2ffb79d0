import { isDeepStrictEqual } from "node:util";
import type { Span } from "./span.ts";

// Spans of one call of one service are the same bytes but for their ids and times. A pattern is such a span with holes:
//
//   {"traceId":"████","id":"████","kind":"SERVER","name":"get","timestamp":████,"duration":████,"tags":{…}}
//
// Bytes that agree with all between the holes, and have a plain value in each hole, are the span that a parser would find,
// in a tenth of the time; and all such spans share their endpoints and tags, which the store then encodes once.

/** What is different in each span. */
export type HoleField = "traceId" | "parentId" | "id" | "timestamp" | "duration";

/** How a value stands there: digits of hex or of a number in JSON; in protobuf bytes, fixed64 or a varint. */
export type HoleForm = "hex" | "digits" | "bytes" | "fixed64" | "varint";

/** Where a value stands, from the beginning of the span on. */
export interface Hole {
  readonly field: HoleField;
  readonly form: HoleForm;
  readonly start: number;
  readonly end: number;
}

interface Pattern {
  readonly holes: readonly Hole[];
  /** What stands before each hole and behind the last. */
  readonly between: readonly DataView[];
  readonly example: Span;
  /** The one that came after it. */
  next: Pattern | undefined;
}

/** Patterns held: at most 4 MB of bytes. */
const MAX_PATTERNS = 1024;
const MAX_BYTES = 4096;
/** Patterns that are tried where the expected one is not met. */
const TRIED = 8;
/** Spans that have to be like others for each one that is learnt, which takes as long as they save. */
const PRICE = 16;
const MAX_CREDIT = 16 * PRICE;

const ZERO_ID = "0".repeat(16);

const shared = new WeakSet<object>();

/** Whether other spans have these very tags, and name, kind and endpoints with them. */
export function areShared(tags: object): boolean {
  return shared.has(tags);
}

/** Reads spans that are like others before them. */
export class SpanPatterns {
  /** Behind the span read last. */
  end = 0;
  #count = 0;
  #last: Pattern | undefined;
  /** Those last used. */
  readonly #recent: Pattern[] = [];
  #credit = MAX_CREDIT;
  #value = 0;
  #bytes: Buffer = Buffer.alloc(0);
  #view = viewOf(this.#bytes);
  readonly #lastTraceId = new LastId();
  readonly #lastSpanId = new LastId();

  /** The span that begins at `at`; `undefined` when it is like none before. */
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
   * Whether to learn a span that is like none before. Where tags are different in each, it soon is not worth it, and the
   * batch is better read without patterns; one of some batches is tried all the same.
   */
  isWorthLearning(): boolean {
    this.#credit++;
    if (this.#credit < PRICE) return false;
    this.#credit -= PRICE;
    return true;
  }

  /** Remembers what a span looks like that was read otherwise. */
  learn(bytes: Buffer, start: number, end: number, holes: Hole[], example: Span): void {
    if (end - start > MAX_BYTES || example.tags === undefined || example.annotations !== undefined) return;
    // Ids are compared by the word; others are filled up with zeros.
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

  /** Sets the value, and returns where it ends. */
  #readDigits(bytes: Buffer, start: number): number {
    let at = start;
    let value = 0;
    // A number that begins with 0 is another, or none.
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
/** Enough for what a number holds exactly. */
const MAX_VARINT_BYTES = 8;

/** Word by word: a third less than byte by byte, and for so few bytes less than a call out of JavaScript. */
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

/** The id read last: the next is often the same, and to compare takes a fourth of what making a text does. */
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

  /** Empty when it is no id, or one that is written in another way. */
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

/** Fields in the order of `normalizeSpan`, so that equal spans have equal JSON. */
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
