// https://opentelemetry.io/docs/specs/otlp/
import type { ByteWriter } from "../http/byte-writer.ts";
import {
  describeOtlpJson,
  describeOtlpSource,
  type OtlpResource,
  writeOtlpResource,
  writeOtlpScope,
  writeOtlpShape,
} from "../trace/otlp.ts";
import { ProtobufWriter } from "../trace/protobuf.ts";
import { type SpanFormat, type SpanRecord, type SpanTemplate, writeMicros } from "./span-format.ts";

const NOTHING = Buffer.alloc(0);
/** OTLP knows trace ids of 32 digits only; shorter ones of B3 are filled up. */
const ZEROS = Buffer.alloc(16, "0");
const TRACE_DIGITS = 32;

const FIRST = Buffer.from('{"traceId":"');
const NEXT = Buffer.from(',{"traceId":"');
const ID = Buffer.from('","spanId":"');
const PARENT = Buffer.from('","parentSpanId":"');
const START = Buffer.from('","startTimeUnixNano":"');
const END = Buffer.from('000","endTimeUnixNano":"');
const REST = Buffer.from('000"');
const CLOSE = Buffer.from("]}]}]}");

/**
 * An `ExportTraceServiceRequest` as JSON:
 *
 *     {"traceId":"T","spanId":"I","parentSpanId":"P","startTimeUnixNano":"S","endTimeUnixNano":"E" TEMPLATE
 */
export class OtlpJsonFormat implements SpanFormat {
  readonly #start: Uint8Array;

  constructor(resource: OtlpResource) {
    const source = describeOtlpSource(resource);
    const scope = JSON.stringify(source.scope);
    this.#start = Buffer.from(
      `{"resourceSpans":[{"resource":${JSON.stringify(source.resource)},"scopeSpans":[{"scope":${scope},"spans":[`,
    );
  }

  begin(out: ByteWriter): void {
    out.copy(this.#start);
  }

  write(out: ByteWriter, span: SpanRecord, isFirst: boolean): void {
    const { ids, idAt, parentAt } = span;
    out.copy(isFirst ? FIRST : NEXT);
    out.copy(ZEROS, 0, TRACE_DIGITS - (span.traceEnd - span.traceAt));
    out.copy(ids, span.traceAt, span.traceEnd);
    out.copy(ID);
    out.copy(ids, idAt, idAt + 16);
    if (parentAt !== -1) {
      out.copy(PARENT);
      out.copy(ids, parentAt, parentAt + 16);
    }
    out.copy(START);
    writeMicros(out, span.startMicros);
    out.copy(END);
    writeMicros(out, span.startMicros + span.durationMicros);
    out.copy(REST);
    out.copy(span.template);
  }

  end(out: ByteWriter): Uint8Array {
    out.copy(CLOSE);
    return out.bytes.subarray(0, out.length);
  }

  render(template: SpanTemplate): Uint8Array {
    return Buffer.from(`,${JSON.stringify(describeOtlpJson(template)).slice(1)}`);
  }

  renderPeer(): Uint8Array {
    return NOTHING;
  }
}

/** Tags of fields with a length, and of 64-bit numbers. */
const LENGTH = 2;
const FIXED64 = 1;
const SPANS_TAG = 8 * 2 + LENGTH;
const TRACE_ID_TAG = 8 * 1 + LENGTH;
const SPAN_ID_TAG = 8 * 2 + LENGTH;
const PARENT_TAG = 8 * 4 + LENGTH;
const START_TAG = 8 * 7 + FIXED64;
const END_TAG = 8 * 8 + FIXED64;
/** Tag and length of each, trace id, span id, and two times with their tags. */
const FIXED_BYTES = 2 + 16 + 2 + 8 + 9 + 9;
const PARENT_BYTES = 2 + 8;
/** Tags and lengths that stand before a batch. */
const LONGEST_START = 2 * 6;

/**
 * An `ExportTraceServiceRequest` as protobuf. The lengths that stand before the spans are known at the end only: room is
 * left for them.
 *
 *     room | span | span | …      ->      [.. resource_spans { resource, scope_spans { scope | span | span | … } }
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
    const size = FIXED_BYTES + (parentAt === -1 ? 0 : PARENT_BYTES) + template.length;
    out.reserve(LONGEST_START + size);
    writeByte(out, SPANS_TAG);
    writeVarint(out, size);
    writeByte(out, TRACE_ID_TAG);
    writeByte(out, 16);
    for (let missing = TRACE_DIGITS - (span.traceEnd - span.traceAt); missing > 0; missing -= 2)
      writeByte(out, 0);
    writeDigits(out, ids, span.traceAt, span.traceEnd);
    writeByte(out, SPAN_ID_TAG);
    writeByte(out, 8);
    writeDigits(out, ids, span.idAt, span.idAt + 16);
    if (parentAt !== -1) {
      writeByte(out, PARENT_TAG);
      writeByte(out, 8);
      writeDigits(out, ids, parentAt, parentAt + 16);
    }
    writeByte(out, START_TAG);
    writeNanos(out, span.startMicros);
    writeByte(out, END_TAG);
    writeNanos(out, span.startMicros + span.durationMicros);
    out.copy(template);
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

  render(template: SpanTemplate): Uint8Array {
    const writer = new ProtobufWriter();
    writeOtlpShape(writer, template);
    return Buffer.from(writer.finish());
  }

  renderPeer(): Uint8Array {
    return NOTHING;
  }
}

// Room for what these write has been reserved.

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

/** Hex digits as the bytes that they spell. */
function writeDigits(out: ByteWriter, digits: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at += 2) {
    out.bytes[out.length++] = (digitValue(digits[at] as number) << 4) | digitValue(digits[at + 1] as number);
  }
}

/** Of a lower-case hex digit. */
function digitValue(digit: number): number {
  return digit <= 0x39 ? digit - 0x30 : digit - 0x57;
}

const WORD = 2 ** 32;

/** Microseconds as nanoseconds in 64 bits: they do not fit into a double, so the words are multiplied one by one. */
function writeNanos(out: ByteWriter, micros: number): void {
  const low = (micros % WORD) * 1000;
  const high = Math.floor(micros / WORD) * 1000 + Math.floor(low / WORD);
  writeUint32(out, low % WORD);
  writeUint32(out, high);
}

function writeUint32(out: ByteWriter, word: number): void {
  const { bytes, length } = out;
  bytes[length] = word;
  bytes[length + 1] = word >>> 8;
  bytes[length + 2] = word >>> 16;
  bytes[length + 3] = word >>> 24;
  out.length = length + 4;
}
