import { finish, mix } from "../trace/murmur.ts";
import type { Annotation, Endpoint, Span, SpanKind } from "../trace/span.ts";
import { areShared } from "../trace/span-patterns.ts";
import type { Dictionary } from "./dictionary.ts";
import {
  HAS_DURATION,
  HAS_ENDPOINT,
  HAS_IPV4,
  HAS_IPV6,
  HAS_PARENT,
  HAS_PORT,
  HAS_TIMESTAMP,
  HEADER_BYTES,
  IS_DEBUG,
  IS_SHARED,
  KINDS,
} from "./part-format.ts";
import type { TermFilter } from "./term-filter.ts";

const KIND_NUMBERS = Object.fromEntries(KINDS.map((kind, number) => [kind, number])) as Record<
  SpanKind,
  number
>;

/** The encoded end of an earlier span, found by its tags. */
interface Rest {
  readonly span: Span;
  readonly bytes: Uint8Array;
  readonly high: number;
  readonly low: number;
  /** The filter that already has all its terms. */
  readonly filter: TermFilter;
}

const FIRST_CAPACITY = 256 * 1024;
/** A buffer that grew beyond this size is released. */
const KEPT_CAPACITY = 2 * 1024 * 1024;

/**
 * Writes the parts of a commit one after the other: `reset`, then `begin` and `add` for each, then `slice` to cut them
 * out. {@link high} and {@link low} are the hash of the last span written. It depends on the content, not on the
 * encoding.
 */
export class PartWriter {
  high = 0;
  low = 0;
  #bytes = new Uint8Array(0);
  #buffer = Buffer.alloc(0);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  /** Hash of the trace id, the seed of the hash of each of its spans. */
  #traceHigh = 0;
  #traceLow = 0;
  readonly #dictionary: Dictionary;
  #filter: TermFilter | undefined;
  #service = 0;
  readonly #rests = new WeakMap<object, Rest>();
  /** Whether all texts of the rest of a span have numbers. */
  #isNumbered = true;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
    this.#allocate(FIRST_CAPACITY);
  }

  /** Offset of the next byte. */
  get end(): number {
    return this.#end;
  }

  reset(): void {
    if (this.#bytes.length > KEPT_CAPACITY) this.#allocate(FIRST_CAPACITY);
    this.#end = 0;
  }

  begin(traceId: string): void {
    const start = this.#reserve(HEADER_BYTES);
    const isLong = traceId.length === 32;
    this.#view.setFloat64(start, 0);
    if (isLong) this.#writeId(traceId, 0);
    else this.#end += 8;
    this.#writeId(traceId, isLong ? 16 : 0);
    // The halves are mixed, not only combined: otherwise ids that differ in two places may collide.
    this.high = this.low = 0;
    this.#hashed(start);
    this.#hashed(start + 8);
    this.#traceHigh = this.high;
    this.#traceLow = this.low;
  }

  /** Appends a span and adds its search terms to the filter. */
  add(span: Span, filter: TermFilter): void {
    this.#filter = filter;
    const start = this.#reserve(64);
    this.#end += 8;
    this.high = this.#traceHigh;
    this.low = this.#traceLow;
    const { parentId, kind, timestamp, duration } = span;
    const flags =
      (kind === undefined ? 0 : KIND_NUMBERS[kind]) |
      (parentId === undefined ? 0 : HAS_PARENT) |
      (span.shared ? IS_SHARED : 0) |
      (span.debug ? IS_DEBUG : 0) |
      (timestamp === undefined ? 0 : HAS_TIMESTAMP) |
      (duration === undefined ? 0 : HAS_DURATION);
    this.#bytes[this.#end++] = flags;
    this.#mix(flags, flags);
    this.#hashed(this.#writeId(span.id, 0));
    if (parentId !== undefined) this.#hashed(this.#writeId(parentId, 0));
    if (timestamp !== undefined) this.#hashed(this.#writeTime(timestamp));
    if (duration !== undefined) this.#hashed(this.#writeTime(duration));
    this.#writeRest(span, filter);
    filter.spans++;
    this.high = finish(this.high) | 0;
    this.low = finish(this.low) | 0;
    this.#view.setInt32(start, this.high);
    this.#view.setInt32(start + 4, this.low);
  }

  /**
   * Writes the span from its name on. This end is the same for all spans of one call, so its terms enter a filter only
   * once.
   */
  #writeRest(span: Span, filter: TermFilter): void {
    const { name, localEndpoint, remoteEndpoint, annotations, tags } = span;
    const known = tags && this.#rests.get(tags);
    if (known !== undefined && known.filter === filter && hasSameRest(known.span, span)) {
      this.#copy(known.bytes);
      this.#mix(known.high, known.low);
      return;
    }
    const { high, low } = this;
    const start = this.#end;
    this.high = this.low = 0;
    this.#isNumbered = true;
    this.#writeText(name ?? "");
    const nameHash = this.#dictionary.high;
    this.#service = 0;
    this.#service = this.#writeEndpoint(localEndpoint);
    if (this.#service !== 0) filter.addService(this.#service);
    if (name !== undefined) filter.addSpanName(this.#service, nameHash);
    const remote = this.#writeEndpoint(remoteEndpoint);
    if (remote !== 0) filter.addRemoteService(this.#service, remote);
    this.#writeAnnotations(annotations);
    this.#writeTags(tags);
    const rest = { high: this.high, low: this.low };
    if (tags !== undefined && this.#isNumbered && areShared(tags))
      this.#rests.set(tags, { ...rest, span, filter, bytes: this.#bytes.slice(start, this.#end) });
    [this.high, this.low] = [high, low];
    this.#mix(rest.high, rest.low);
  }

  /** Drops everything written from this offset on. */
  truncate(end: number): void {
    this.#end = end;
  }

  /** Returns the bytes written there. They are not copied, so they are valid until the next `reset`. */
  slice(start: number, end: number): Uint8Array {
    return this.#bytes.subarray(start, end);
  }

  /** For about 60 bytes this takes half the time of `set`. */
  #copy(from: Uint8Array): void {
    const at = this.#reserve(from.length);
    for (let index = 0; index < from.length; index++) this.#bytes[at + index] = from[index] as number;
    this.#end += from.length;
  }

  #writeAnnotations(annotations: readonly Annotation[] | undefined): void {
    const count = annotations?.length ?? 0;
    this.#writeNumber(count);
    this.#mix(count, count);
    for (const { timestamp, value } of annotations ?? []) {
      this.#reserve(8);
      this.#hashed(this.#writeTime(timestamp));
      this.#writeText(value);
      this.#filter?.addKey(this.#service, this.#dictionary.high);
    }
  }

  #writeTags(tags: Readonly<Record<string, string>> | undefined): void {
    if (tags === undefined) {
      this.#writeNumber(0);
      return;
    }
    const keys = Object.keys(tags);
    this.#writeNumber(keys.length);
    const [high, low] = [this.high, this.low];
    let [sumHigh, sumLow] = [0, 0];
    for (const key of keys) {
      // The hashes are added, so that the order of tags does not matter and tags need no sorting.
      this.high = this.low = 0;
      this.#writeText(key);
      const keyHash = this.#dictionary.high;
      this.#writeText(tags[key] as string);
      sumHigh = (sumHigh + finish(this.high)) | 0;
      sumLow = (sumLow + finish(this.low)) | 0;
      this.#filter?.addTag(this.#service, keyHash, this.#dictionary.high);
    }
    this.high = mix(high, sumHigh);
    this.low = mix(low, sumLow);
  }

  /** Returns the hash of the service's name, 0 when there is none. */
  #writeEndpoint(endpoint: Endpoint | undefined): number {
    if (endpoint === undefined) {
      this.#writeNumber(0);
      this.#mix(0, 0);
      return 0;
    }
    const { serviceName, ipv4, ipv6, port } = endpoint;
    const flags =
      HAS_ENDPOINT |
      (ipv4 === undefined ? 0 : HAS_IPV4) |
      (ipv6 === undefined ? 0 : HAS_IPV6) |
      (port === undefined ? 0 : HAS_PORT);
    this.#writeNumber(flags);
    this.#mix(flags, flags);
    this.#writeText(serviceName ?? "");
    const service = serviceName === undefined ? 0 : this.#dictionary.high;
    if (ipv4 !== undefined) this.#writeText(ipv4);
    if (ipv6 !== undefined) this.#writeText(ipv6);
    if (port !== undefined) {
      this.#writeNumber(port);
      this.#mix(port, port);
    }
    return service;
  }

  #writeText(text: string): void {
    const number = this.#dictionary.lookUp(text);
    this.#mix(this.#dictionary.high, this.#dictionary.low);
    if (number >= 0) {
      this.#writeNumber(number * 2 + 1);
      return;
    }
    this.#isNumbered &&= text === "";
    const size = Buffer.byteLength(text);
    this.#writeNumber(size * 2);
    this.#reserve(size);
    this.#end += this.#buffer.write(text, this.#end, "utf8");
  }

  #writeNumber(value: number): void {
    this.#reserve(10);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#end++] = rest;
  }

  /** Returns the offset at which it was written. */
  #writeId(text: string, from: number): number {
    const at = this.#end;
    this.#view.setInt32(at, readWord(text, from));
    this.#view.setInt32(at + 4, readWord(text, from + 8));
    this.#end += 8;
    return at;
  }

  #writeTime(micros: number): number {
    this.#view.setFloat64(this.#end, micros);
    this.#end += 8;
    return this.#end - 8;
  }

  /** Adds the 8 bytes from `at` on to the hash. */
  #hashed(at: number): void {
    const [first, second] = [this.#view.getInt32(at), this.#view.getInt32(at + 4)];
    this.high = mix(mix(this.high, first), second);
    this.low = mix(mix(this.low, second), first);
  }

  #mix(high: number, low: number): void {
    this.high = mix(this.high, high);
    this.low = mix(this.low, low);
  }

  /** Reserves room and returns its offset. */
  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#bytes.length) {
      const old = this.#bytes;
      this.#allocate(Math.max(old.length * 2, this.#end + bytes));
      this.#bytes.set(old.subarray(0, this.#end));
    }
    return this.#end;
  }

  #allocate(capacity: number): void {
    this.#bytes = new Uint8Array(capacity);
    this.#buffer = Buffer.from(this.#bytes.buffer);
    this.#view = new DataView(this.#bytes.buffer);
  }
}

function hasSameRest(a: Span, b: Span): boolean {
  return (
    a.name === b.name &&
    a.localEndpoint === b.localEndpoint &&
    a.remoteEndpoint === b.remoteEndpoint &&
    a.annotations === b.annotations
  );
}

/** Parses eight lower-case hex digits as a 32-bit word, in a fifth of the time of `parseInt` on a slice. */
function readWord(text: string, from: number): number {
  let word = 0;
  for (let index = from; index < from + 8; index++) {
    const code = text.charCodeAt(index);
    word = (word << 4) | (code < 0x3a ? code - 0x30 : code - 0x57);
  }
  return word;
}
