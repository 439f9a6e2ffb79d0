// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
import type { ByteWriter } from "../http/byte-writer.ts";
import { describeOtlpJson, describeOtlpSource, type OtlpResource } from "../trace/otlp.ts";
import {
  MICROS_DIGITS,
  patchDigits,
  patchMicros,
  type SpanFormat,
  type SpanProperties,
  type SpanRecord,
  SpanTemplate,
} from "./span-format.ts";

const START = ',{"traceId":"';
const ID = '","spanId":"';
const PARENT = '","parentSpanId":"';
const BEGIN = '","startTimeUnixNano":"';
const END = '000","endTimeUnixNano":"';
const REST = '000"';
/** OTLP only has trace ids of 32 digits; shorter ones from B3 are padded. */
const TRACE_DIGITS = 32;
const ID_DIGITS = 16;

const OPEN = 0x5b;
const CLOSE = Buffer.from("]}]}]}");
const NOTHING = Buffer.alloc(0);

/**
 * An `ExportTraceServiceRequest` as JSON. The comma before the first span is overwritten by the list's opening bracket.
 *
 *     ,{"traceId":"T","spanId":"I","parentSpanId":"P","startTimeUnixNano":"S000","endTimeUnixNano":"E000" SHAPE
 */
export class OtlpJsonFormat implements SpanFormat {
  readonly #start: Uint8Array;

  constructor(resource: OtlpResource) {
    const source = describeOtlpSource(resource);
    const scope = JSON.stringify(source.scope);
    this.#start = Buffer.from(
      `{"resourceSpans":[{"resource":${JSON.stringify(source.resource)},"scopeSpans":[{"scope":${scope},"spans":`,
    );
  }

  begin(out: ByteWriter): void {
    out.copy(this.#start);
  }

  write(out: ByteWriter, span: SpanRecord): void {
    const { ids, parentAt, template } = span;
    const traceDigits = span.traceEnd - span.traceAt;
    const variant = parentAt === -1 ? 0 : 1;
    let at = out.length + START.length;
    out.copy(template.variants[variant] ?? addVariant(template, variant));
    const { bytes } = out;
    patchDigits(bytes, at + TRACE_DIGITS - traceDigits, ids, span.traceAt, traceDigits);
    at += TRACE_DIGITS + ID.length;
    patchDigits(bytes, at, ids, span.idAt, ID_DIGITS);
    at += ID_DIGITS;
    if (parentAt !== -1) {
      at += PARENT.length;
      patchDigits(bytes, at, ids, parentAt, ID_DIGITS);
      at += ID_DIGITS;
    }
    at += BEGIN.length;
    patchMicros(bytes, at, span.startMicros);
    patchMicros(bytes, at + MICROS_DIGITS + END.length, span.startMicros + span.durationMicros);
  }

  end(out: ByteWriter): Uint8Array {
    out.bytes[this.#start.length] = OPEN;
    out.copy(CLOSE);
    return out.bytes.subarray(0, out.length);
  }

  render(template: SpanProperties): SpanTemplate {
    return new SpanTemplate(Buffer.from(`,${JSON.stringify(describeOtlpJson(template)).slice(1)}`));
  }

  renderPeer(): Uint8Array {
    return NOTHING;
  }
}

/** Includes the zeros that pad a short trace id. */
function addVariant(template: SpanTemplate, variant: number): Uint8Array {
  const id = " ".repeat(ID_DIGITS);
  const time = " ".repeat(MICROS_DIGITS);
  const ids = "0".repeat(TRACE_DIGITS) + ID + id + (variant === 0 ? "" : PARENT + id);
  const made = Buffer.concat([Buffer.from(START + ids + BEGIN + time + END + time + REST), template.shape]);
  template.variants[variant] = made;
  return made;
}
