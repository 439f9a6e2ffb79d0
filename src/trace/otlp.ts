// OTLP 1.x traces: https://opentelemetry.io/docs/specs/otlp/
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
import type { Span } from "./span.ts";

/** What is the same for all spans of a batch. */
export interface OtlpResource {
  /** `service.name` and what `OTEL_RESOURCE_ATTRIBUTES` adds. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly scope: { readonly name: string; readonly version: string };
}

/** Span kinds of OTLP; a Zipkin span without a kind is INTERNAL. */
const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3, PRODUCER: 4, CONSUMER: 5 } as const;
const STATUS_ERROR = 2;

/** Attributes that OpenTelemetry's conventions define as integers; Zipkin's tags are all text. */
const INTEGER_ATTRIBUTES: ReadonlySet<string> = new Set([
  "http.status_code",
  "http.response.status_code",
  "http.request.resend_count",
  "net.host.port",
  "net.peer.port",
  "server.port",
]);

/** Tags that OTLP says in the span's status instead. */
const STATUS_TAGS: ReadonlySet<string> = new Set(["error", "otel.status_code"]);

interface Attribute {
  readonly key: string;
  readonly value: string | number;
}

/** One `ExportTraceServiceRequest` as JSON. */
export function encodeOtlpJson(spans: readonly Span[], resource: OtlpResource): string {
  return JSON.stringify({
    resourceSpans: [
      {
        resource: { attributes: toAttributes(resource.attributes).map(jsonAttribute) },
        scopeSpans: [{ scope: resource.scope, spans: spans.map(jsonSpan) }],
      },
    ],
  });
}

function jsonSpan(span: Span): object {
  const error = span.tags?.error;
  return {
    traceId: span.traceId.padStart(32, "0"),
    spanId: span.id,
    ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
    name: span.name ?? "",
    kind: KINDS[span.kind ?? "INTERNAL"],
    startTimeUnixNano: nanos(span.timestamp ?? 0).toString(),
    endTimeUnixNano: nanos((span.timestamp ?? 0) + (span.duration ?? 0)).toString(),
    attributes: spanAttributes(span).map(jsonAttribute),
    ...(error === undefined ? {} : { status: { code: STATUS_ERROR, message: error } }),
  };
}

function jsonAttribute({ key, value }: Attribute): object {
  return { key, value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value } };
}

/** One `ExportTraceServiceRequest` as protobuf. */
export function encodeOtlpProtobuf(spans: readonly Span[], resource: OtlpResource): Uint8Array<ArrayBuffer> {
  const request = new Message().nested(1, (resourceSpans) => {
    resourceSpans.nested(1, (message) => {
      for (const attribute of toAttributes(resource.attributes))
        message.nested(1, (it) => writeAttribute(it, attribute));
    });
    resourceSpans.nested(2, (scopeSpans) => {
      scopeSpans.nested(1, (scope) => scope.text(1, resource.scope.name).text(2, resource.scope.version));
      for (const span of spans) scopeSpans.nested(2, (message) => writeSpan(message, span));
    });
  });
  return request.finish();
}

function writeSpan(message: Message, span: Span): void {
  const error = span.tags?.error;
  message.bytes(1, Buffer.from(span.traceId.padStart(32, "0"), "hex")).bytes(2, Buffer.from(span.id, "hex"));
  if (span.parentId !== undefined) message.bytes(4, Buffer.from(span.parentId, "hex"));
  message.text(5, span.name ?? "").varint(6, KINDS[span.kind ?? "INTERNAL"]);
  message
    .fixed64(7, nanos(span.timestamp ?? 0))
    .fixed64(8, nanos((span.timestamp ?? 0) + (span.duration ?? 0)));
  for (const attribute of spanAttributes(span)) message.nested(9, (it) => writeAttribute(it, attribute));
  if (error !== undefined) message.nested(15, (status) => status.text(2, error).varint(3, STATUS_ERROR));
}

function writeAttribute(message: Message, { key, value }: Attribute): void {
  message
    .text(1, key)
    .nested(2, (any) => (typeof value === "number" ? any.varint(3, value) : any.text(1, value)));
}

function spanAttributes(span: Span): Attribute[] {
  return toAttributes(span.tags ?? {}).filter(({ key }) => !STATUS_TAGS.has(key));
}

function toAttributes(tags: Readonly<Record<string, string>>): Attribute[] {
  return Object.entries(tags).map(([key, value]) =>
    INTEGER_ATTRIBUTES.has(key) && /^\d{1,9}$/.test(value) ? { key, value: Number(value) } : { key, value },
  );
}

function nanos(micros: number): bigint {
  return BigInt(Math.round(micros)) * 1000n;
}

/** A protobuf message under construction. https://protobuf.dev/programming-guides/encoding/ */
class Message {
  readonly #bytes: number[] = [];

  varint(field: number, value: number): this {
    this.#number(field << 3);
    this.#number(value);
    return this;
  }

  fixed64(field: number, value: bigint): this {
    this.#number((field << 3) | 1);
    for (let shift = 0n; shift < 64n; shift += 8n) this.#bytes.push(Number((value >> shift) & 0xffn));
    return this;
  }

  bytes(field: number, value: Uint8Array): this {
    this.#number((field << 3) | 2);
    this.#number(value.length);
    for (const byte of value) this.#bytes.push(byte);
    return this;
  }

  text(field: number, value: string): this {
    return this.bytes(field, Buffer.from(value));
  }

  nested(field: number, write: (message: Message) => void): this {
    const inner = new Message();
    write(inner);
    return this.bytes(field, inner.finish());
  }

  finish(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#bytes);
  }

  #number(value: number): void {
    let rest = value;
    while (rest > 0x7f) {
      this.#bytes.push((rest & 0x7f) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.#bytes.push(rest);
  }
}
