import type { Annotation, Endpoint, Span } from "../trace/span.ts";
import type { Dictionary } from "./dictionary.ts";
import {
  HAS_DURATION,
  HAS_IPV4,
  HAS_IPV6,
  HAS_PARENT,
  HAS_PORT,
  HAS_TIMESTAMP,
  HEADER_BYTES,
  IS_DEBUG,
  IS_SHARED,
  KIND_MASK,
  KINDS,
} from "./part-format.ts";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

/** Reads parts: see part-format.ts. */
export class PartReader {
  #bytes: Buffer = Buffer.alloc(0);
  #view: DataView = new DataView(this.#bytes.buffer);
  #at = 0;
  readonly #dictionary: Dictionary;
  readonly #found: (high: number, low: number) => void;

  /** @param found called with the hash of each span */
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
    const kind = KINDS[flags & KIND_MASK];
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
    const entries = Array.from({ length: count }, () => [this.#readText(), this.#readText()] as const);
    // Tags keep their order. They are not assigned, because a tag may be called `__proto__`.
    return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
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

/** Reads the trace id in a part's header. */
function readTraceId(part: Buffer): string {
  const isShort = part.readUInt32BE(0) === 0 && part.readUInt32BE(4) === 0;
  return part.toString("hex", isShort ? 8 : 0, HEADER_BYTES);
}
