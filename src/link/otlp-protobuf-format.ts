// https://opentelemetry.io/docs/specs/otlp/#binary-protobuf-encoding
import type { ByteWriter } from "../http/byte-writer.ts";
import { type OtlpResource, writeOtlpResource, writeOtlpScope, writeOtlpShape } from "../trace/otlp.ts";
import { ProtobufWriter } from "../trace/protobuf.ts";
import { type SpanFormat, type SpanProperties, type SpanRecord, SpanTemplate } from "./span-format.ts";

/** Wire types: length-delimited, and 64-bit numbers. */
const LENGTH = 2;
const FIXED64 = 1;
const TRACE_ID = Uint8Array.of(8 * 1 + LENGTH, 16, ...new Uint8Array(16));
const SPAN_ID = Uint8Array.of(8 * 2 + LENGTH, 8, ...new Uint8Array(8));
const PARENT_ID = Uint8Array.of(8 * 4 + LENGTH, 8, ...new Uint8Array(8));
const TIMES = Uint8Array.of(8 * 7 + FIXED64, ...new Uint8Array(8), 8 * 8 + FIXED64, ...new Uint8Array(8));
/** Maximum size of the tags and lengths that precede a batch. */
const LONGEST_START = 2 * 6;
const NOTHING = Buffer.alloc(0);

/**
 * An `ExportTraceServiceRequest` as protobuf. The lengths that precede the spans are only known at the end, so room is
 * reserved for them.
 *
 *     room | span | span | …      ->      [.. resource_spans { resource, scope_spans { scope | span | span | … } }
 *
 *     span:  tag, length | trace id | span id | parent id | start, end | SHAPE
 */
export class OtlpProtobufFormat implements SpanFormat {
  readonly #resource: Uint8Array;
  readonly #scope: Uint8Array;
  readonly #room: Uint8Array;

  constructor(resource: OtlpResource) {
    const render = (write: (writer: ProtobufWriter) => void) => {
      const writer = new ProtobufWriter();
      write(writer);
      return Buffer.from(writer.finish());
    };
    this.#resource = render((writer) => writeOtlpResource(writer, resource));
    this.#scope = render((writer) => writeOtlpScope(writer, resource));
    this.#room = Buffer.alloc(LONGEST_START + this.#resource.length + this.#scope.length);
  }

  begin(out: ByteWriter): void {
    out.copy(this.#room);
  }

  write(out: ByteWriter, span: SpanRecord): void {
    const { ids, template, parentAt } = span;
    const variant = parentAt === -1 ? 0 : 1;
    const start = out.length;
    const variantBytes = template.variants[variant] ?? addVariant(template, variant);
    out.copy(variantBytes);
    const { bytes } = out;
    // Counted from the end, because the tag and length at the front vary in size.
    let at = start + variantBytes.length - template.shape.length - 8;
    patchNanos(bytes, at, span.startMicros + span.durationMicros);
    at -= 9;
    patchNanos(bytes, at, span.startMicros);
    at -= 1;
    if (parentAt !== -1) {
      at -= 8;
      patchHex(bytes, at, ids, parentAt, parentAt + 16);
      at -= 2;
    }
    at -= 8;
    patchHex(bytes, at, ids, span.idAt, span.idAt + 16);
    at -= 2;
    // A short trace id from B3 is padded with the zeros of the variantBytes.
    patchHex(bytes, at - (span.traceEnd - span.traceAt) / 2, ids, span.traceAt, span.traceEnd);
  }

  end(out: ByteWriter): Uint8Array {
    const room = this.#room.length;
    const scopeSpans = this.#scope.length + out.length - room;
    const resourceSpans = this.#resource.length + 1 + sizeOfVarint(scopeSpans) + scopeSpans;
    const start = room - (1 + sizeOfVarint(resourceSpans) + resourceSpans - (out.length - room));
    const end = out.length;
    out.length = start;
    writeByte(out, 8 * 1 + LENGTH);
    writeVarint(out, resourceSpans);
    out.copy(this.#resource);
    writeByte(out, 8 * 2 + LENGTH);
    writeVarint(out, scopeSpans);
    out.copy(this.#scope);
    return out.bytes.subarray(start, end);
  }

  render(template: SpanProperties): SpanTemplate {
    const writer = new ProtobufWriter();
    writeOtlpShape(writer, template);
    return new SpanTemplate(Buffer.from(writer.finish()));
  }

  renderPeer(): Uint8Array {
    return NOTHING;
  }
}

function addVariant(template: SpanTemplate, variant: number): Uint8Array {
  const parts = [TRACE_ID, SPAN_ID, ...(variant === 0 ? [] : [PARENT_ID]), TIMES, template.shape];
  const fields = Buffer.concat(parts);
  const start: number[] = [8 * 2 + LENGTH];
  for (let size = fields.length; ; size >>>= 7) {
    start.push(size < 0x80 ? size : (size & 0x7f) | 0x80);
    if (size < 0x80) break;
  }
  const made = Buffer.concat([Uint8Array.from(start), fields]);
  template.variants[variant] = made;
  return made;
}

// The callers have reserved room for what these functions write.

function writeByte(out: ByteWriter, byte: number): void {
  out.bytes[out.length++] = byte;
}

function writeVarint(out: ByteWriter, value: number): void {
  let rest = value;
  for (; rest >= 0x80; rest >>>= 7) out.bytes[out.length++] = (rest & 0x7f) | 0x80;
  out.bytes[out.length++] = rest;
}

function sizeOfVarint(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest >>>= 7) size++;
  return size;
}

/** Writes the bytes that hex digits spell. */
function patchHex(bytes: Uint8Array, at: number, digits: Uint8Array, start: number, end: number): void {
  for (let from = start, to = at; from < end; from += 2, to++) {
    bytes[to] = (digitValue(digits[from] as number) << 4) | digitValue(digits[from + 1] as number);
  }
}

/** The value of a lower-case hex digit. */
function digitValue(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : digit - 0x57;
}

const WORD = 2 ** 32;

/** Writes microseconds as 64-bit nanoseconds, word by word, because they do not fit into a double. */
function patchNanos(bytes: Uint8Array, at: number, micros: number): void {
  const high = Math.floor(micros / WORD);
  const low = (micros - high * WORD) * 1000;
  const carry = Math.floor(low / WORD);
  patchUint32(bytes, at, low - carry * WORD);
  patchUint32(bytes, at + 4, high * 1000 + carry);
}

function patchUint32(bytes: Uint8Array, at: number, word: number): void {
  bytes[at] = word;
  bytes[at + 1] = word >>> 8;
  bytes[at + 2] = word >>> 16;
  bytes[at + 3] = word >>> 24;
}
