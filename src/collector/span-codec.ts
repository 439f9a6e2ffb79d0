import { finish, mix } from "../trace/murmur.ts";
import type { Annotation, Endpoint, Span, SpanKind } from "../trace/span.ts";
import type { Dictionary } from "./dictionary.ts";
import type { TermFilter } from "./term-filter.ts";

// A part: the spans of one trace from one batch or several, as the store keeps them. About 80 bytes for a span of a link.
//
//   part   trace id (16 bytes; the high half 0 for an id of 16 digits), span*
//   span   hash (8), flags, id (8), [parent id (8)], [timestamp (8)], [duration (8)], name: text,
//          endpoint (local), endpoint (remote), number of annotations, (timestamp (8), text)*, number of tags, (text, text)*
//   text   number of a text in the dictionary * 2 + 1, or number of bytes * 2 and UTF-8; empty = absent
//   endpoint  0, or flags 1 + 2 (ipv4) + 4 (ipv6) + 8 (port) and what they say: text (service), text, text, number
//
// Numbers are varints, times are doubles.

const KINDS: readonly (SpanKind | undefined)[] = [undefined, "CLIENT", "SERVER", "PRODUCER", "CONSUMER"];
const KIND_NUMBERS: Readonly<Record<SpanKind, number>> = { CLIENT: 1, SERVER: 2, PRODUCER: 3, CONSUMER: 4 };
const HAS_PARENT = 8;
const IS_SHARED = 16;
const IS_DEBUG = 32;
const HAS_TIMESTAMP = 64;
const HAS_DURATION = 128;

const HAS_ENDPOINT = 1;
const HAS_IPV4 = 2;
const HAS_IPV6 = 4;
const HAS_PORT = 8;

const FIRST_CAPACITY = 64 * 1024;
/** A buffer grown for a giant is given back. */
const KEPT_CAPACITY = 1024 * 1024;
const HEADER_BYTES = 16;

/** Writes parts. {@link high} and {@link low} are the hash of the span written last, by its content and not its encoding. */
export class PartWriter {
  high = 0;
  low = 0;
  #bytes = Buffer.allocUnsafe(FIRST_CAPACITY);
  #view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, this.#bytes.length);
  #end = 0;
  readonly #dictionary: Dictionary;
  #filter: TermFilter | undefined;
  #service = 0;

  constructor(dictionary: Dictionary) {
    this.#dictionary = dictionary;
  }

  get size(): number {
    return this.#end;
  }

  begin(traceId: string): void {
    if (this.#bytes.length > KEPT_CAPACITY) this.#allocate(FIRST_CAPACITY);
    this.#end = 0;
    if (traceId.length === 32) {
      this.#writeId(traceId, 0);
      this.#writeId(traceId, 16);
    } else {
      this.#bytes.fill(0, 0, 8);
      this.#end = 8;
      this.#writeId(traceId, 0);
    }
    this.high = 0;
    this.low = 0;
  }

  /** Appends a span, and puts what can be searched for into the filter. */
  add(span: Span, filter: TermFilter): void {
    this.#filter = filter;
    const start = this.#reserve(64);
    this.#end += 8;
    // The hash begins with the trace id.
    this.high = this.#view.getInt32(0) ^ this.#view.getInt32(8);
    this.low = this.#view.getInt32(4) ^ this.#view.getInt32(12);
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
    this.#writeText(span.name ?? "");
    const name = span.name === undefined ? 0 : this.#dictionary.high;
    this.#service = 0;
    this.#service = this.#writeEndpoint(span.localEndpoint);
    if (this.#service !== 0) filter.addService(this.#service);
    if (span.name !== undefined) filter.addSpanName(this.#service, name);
    const remote = this.#writeEndpoint(span.remoteEndpoint);
    if (remote !== 0) filter.addRemoteService(this.#service, remote);
    this.#writeAnnotations(span.annotations);
    this.#writeTags(span.tags);
    filter.spans++;
    this.high = finish(this.high) | 0;
    this.low = finish(this.low) | 0;
    this.#view.setInt32(start, this.high);
    this.#view.setInt32(start + 4, this.low);
  }

  /** Drops what was written behind this size. */
  truncate(size: number): void {
    this.#end = size;
  }

  /** A copy of the part. */
  finish(): Uint8Array {
    return Uint8Array.prototype.slice.call(this.#bytes, 0, this.#end);
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
    for (const key of keys) {
      this.#writeText(key);
      const keyHash = this.#dictionary.high;
      this.#writeText(tags[key] as string);
      this.#filter?.addTag(this.#service, keyHash, this.#dictionary.high);
    }
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
    const size = Buffer.byteLength(text);
    this.#writeNumber(size * 2);
    this.#reserve(size);
    this.#end += this.#bytes.write(text, this.#end, "utf8");
  }

  #writeNumber(value: number): void {
    this.#reserve(10);
    let rest = value;
    for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) this.#bytes[this.#end++] = (rest & 0x7f) | 0x80;
    this.#bytes[this.#end++] = rest;
  }

  /** Returns where it was written. */
  #writeId(text: string, from: number): number {
    const at = this.#end;
    this.#view.setUint32(at, Number.parseInt(text.slice(from, from + 8), 16));
    this.#view.setUint32(at + 4, Number.parseInt(text.slice(from + 8, from + 16), 16));
    this.#end += 8;
    return at;
  }

  #writeTime(micros: number): number {
    this.#view.setFloat64(this.#end, micros);
    this.#end += 8;
    return this.#end - 8;
  }

  /** Takes the 8 bytes from `at` on into the hash. */
  #hashed(at: number): void {
    const [first, second] = [this.#view.getInt32(at), this.#view.getInt32(at + 4)];
    this.high = mix(mix(this.high, first), second);
    this.low = mix(mix(this.low, second), first);
  }

  #mix(high: number, low: number): void {
    this.high = mix(this.high, high);
    this.low = mix(this.low, low);
  }

  #reserve(bytes: number): number {
    if (this.#end + bytes > this.#bytes.length) {
      const old = this.#bytes;
      this.#allocate(Math.max(old.length * 2, this.#end + bytes));
      old.copy(this.#bytes, 0, 0, this.#end);
    }
    return this.#end;
  }

  #allocate(capacity: number): void {
    this.#bytes = Buffer.allocUnsafe(capacity);
    this.#view = new DataView(this.#bytes.buffer, this.#bytes.byteOffset, capacity);
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads parts. */
export class PartReader {
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  readonly #dictionary: Dictionary;
  readonly #found: (high: number, low: number) => void;

  /** @param found is told the hash of each span that is read */
  constructor(dictionary: Dictionary, found: (high: number, low: number) => void = () => {}) {
    this.#dictionary = dictionary;
    this.#found = found;
  }

  /** Appends the spans of a part to a list. */
  readInto(spans: Span[], part: Uint8Array): void {
    this.#bytes = Buffer.from(part.buffer, part.byteOffset, part.length);
    this.#view = new DataView(part.buffer, part.byteOffset, part.length);
    this.#at = HEADER_BYTES;
    const traceId = readTraceId(this.#bytes);
    while (this.#at < part.length) spans.push(this.#readSpan(traceId));
  }

  #readSpan(traceId: string): Span {
    this.#found(this.#view.getInt32(this.#at), this.#view.getInt32(this.#at + 4));
    this.#at += 8;
    const flags = this.#bytes[this.#at++] as number;
    const span: Mutable<Span> = { traceId, id: this.#readId() };
    if (flags & HAS_PARENT) span.parentId = this.#readId();
    const kind = KINDS[flags & 7];
    if (kind !== undefined) span.kind = kind;
    const timestamp = flags & HAS_TIMESTAMP ? this.#readTime() : undefined;
    const duration = flags & HAS_DURATION ? this.#readTime() : undefined;
    const name = this.#readText();
    if (name !== "") span.name = name;
    if (timestamp !== undefined) span.timestamp = timestamp;
    if (duration !== undefined) span.duration = duration;
    const localEndpoint = this.#readEndpoint();
    if (localEndpoint !== undefined) span.localEndpoint = localEndpoint;
    const remoteEndpoint = this.#readEndpoint();
    if (remoteEndpoint !== undefined) span.remoteEndpoint = remoteEndpoint;
    const annotations = this.#readAnnotations();
    if (annotations !== undefined) span.annotations = annotations;
    const tags = this.#readTags();
    if (tags !== undefined) span.tags = tags;
    if (flags & IS_DEBUG) span.debug = true;
    if (flags & IS_SHARED) span.shared = true;
    return span;
  }

  #readAnnotations(): Annotation[] | undefined {
    const count = this.#readNumber();
    if (count === 0) return undefined;
    return Array.from({ length: count }, () => ({ timestamp: this.#readTime(), value: this.#readText() }));
  }

  #readTags(): Record<string, string> | undefined {
    const count = this.#readNumber();
    if (count === 0) return undefined;
    const tags: Record<string, string> = {};
    for (let index = 0; index < count; index++) {
      const key = this.#readText();
      const value = this.#readText();
      if (key === "__proto__") defineTag(tags, value);
      else tags[key] = value;
    }
    return tags;
  }

  #readEndpoint(): Endpoint | undefined {
    const flags = this.#bytes[this.#at++] as number;
    if (flags === 0) return undefined;
    const endpoint: Mutable<Endpoint> = {};
    const serviceName = this.#readText();
    if (serviceName !== "") endpoint.serviceName = serviceName;
    if (flags & HAS_IPV4) endpoint.ipv4 = this.#readText();
    if (flags & HAS_IPV6) endpoint.ipv6 = this.#readText();
    if (flags & HAS_PORT) endpoint.port = this.#readNumber();
    return endpoint;
  }

  #readText(): string {
    const head = this.#readNumber();
    if (head === 0) return "";
    if (head % 2 === 1) return this.#dictionary.textOf((head - 1) / 2);
    const start = this.#at;
    this.#at += head / 2;
    return this.#bytes.toString("utf8", start, this.#at);
  }

  #readNumber(): number {
    let value = 0;
    for (let factor = 1; ; factor *= 0x80) {
      const byte = this.#bytes[this.#at++] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  #readId(): string {
    this.#at += 8;
    return this.#bytes.toString("hex", this.#at - 8, this.#at);
  }

  #readTime(): number {
    this.#at += 8;
    return this.#view.getFloat64(this.#at - 8);
  }
}

/** The id in a part's header. */
export function readTraceId(part: Buffer): string {
  const isShort = part.readUInt32BE(0) === 0 && part.readUInt32BE(4) === 0;
  return part.toString("hex", isShort ? 8 : 0, HEADER_BYTES);
}

/** By assignment it would set the object's prototype. */
function defineTag(tags: Record<string, string>, value: string): void {
  Object.defineProperty(tags, "__proto__", { value, enumerable: true, configurable: true, writable: true });
}
