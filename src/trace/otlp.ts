// OTLP 1.x traces: https://opentelemetry.io/docs/specs/otlp/
// https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/trace/v1/trace.proto
import { findProtobufField, ProtobufWriter } from "./protobuf.ts";
import type { Span } from "./span.ts";

/** The source of all spans in a batch. */
export interface OtlpResource {
  /** `service.name` and the additions of `OTEL_RESOURCE_ATTRIBUTES`. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly scope: { readonly name: string; readonly version: string };
}

/** OTLP's span kinds; a Zipkin span without a kind is INTERNAL. */
const KINDS = { INTERNAL: 1, SERVER: 2, CLIENT: 3, PRODUCER: 4, CONSUMER: 5 } as const;
const STATUS_OK = 1;
const STATUS_ERROR = 2;

/** Attributes that OpenTelemetry's conventions define as integers; in Zipkin, all tags are text. */
const INTEGER_ATTRIBUTES: ReadonlySet<string> = new Set([
  "http.status_code",
  "http.response.status_code",
  "http.request.resend_count",
  "net.host.port",
  "net.peer.port",
  "network.local.port",
  "network.peer.port",
  "server.port",
]);

/** Tags that OTLP expresses in the span's status. */
const STATUS_TAGS: ReadonlySet<string> = new Set(["error", "otel.status_code"]);

interface Attribute {
  readonly key: string;
  readonly value: string | number;
}

/** One `ExportTraceServiceRequest` as JSON. */
export function encodeOtlpJson(spans: readonly Span[], resource: OtlpResource): string {
  return encodeOtlpGroups([{ spans, resource }]);
}

/** One `ExportTraceServiceRequest` with several resources, as JSON. */
export function encodeOtlpGroups(
  groups: readonly { readonly spans: readonly Span[]; readonly resource: OtlpResource }[],
): string {
  const resourceSpans = groups.map((group) => {
    const { resource, scope } = describeOtlpSource(group.resource);
    return { resource, scopeSpans: [{ scope, spans: group.spans.map(jsonSpan) }] };
  });
  return JSON.stringify({ resourceSpans });
}

function jsonSpan(span: Span): object {
  return {
    traceId: span.traceId.padStart(32, "0"),
    spanId: span.id,
    ...(span.parentId === undefined ? {} : { parentSpanId: span.parentId }),
    startTimeUnixNano: nanos(span.timestamp ?? 0).toString(),
    endTimeUnixNano: nanos((span.timestamp ?? 0) + (span.duration ?? 0)).toString(),
    ...describeOtlpJson(span),
    ...(span.annotations !== undefined && {
      events: span.annotations.map(({ timestamp, value }) => ({
        timeUnixNano: nanos(timestamp).toString(),
        name: value,
      })),
    }),
  };
}

/** The part of a span that many spans share: name, kind, attributes and status. */
export function describeOtlpJson(span: SpanShape): object {
  const status = statusOf(span);
  return {
    name: span.name ?? "",
    kind: KINDS[span.kind ?? "INTERNAL"],
    attributes: spanAttributes(span).map(jsonAttribute),
    ...(status === null ? {} : { status }),
  };
}

/** The resource and scope of a batch. */
export function describeOtlpSource({ attributes, scope }: OtlpResource): { resource: object; scope: object } {
  return { resource: { attributes: toAttributes(attributes).map(jsonAttribute) }, scope };
}

/** The fields that many spans share. */
type SpanShape = Pick<Span, "name" | "kind" | "tags">;

function jsonAttribute({ key, value }: Attribute): object {
  return { key, value: typeof value === "number" ? { intValue: String(value) } : { stringValue: value } };
}

/** One `ExportTraceServiceRequest` as protobuf. */
export function encodeOtlpProtobuf(spans: readonly Span[], resource: OtlpResource): Uint8Array<ArrayBuffer> {
  return new ProtobufWriter()
    .nested(1, (resourceSpans) => {
      writeOtlpResource(resourceSpans, resource);
      resourceSpans.nested(2, (scopeSpans) => {
        writeOtlpScope(scopeSpans, resource);
        for (const span of spans) scopeSpans.nested(2, (message) => writeSpan(message, span));
      });
    })
    .finish();
}

/** Writes field 1 of `ResourceSpans`. */
export function writeOtlpResource(resourceSpans: ProtobufWriter, { attributes }: OtlpResource): void {
  resourceSpans.nested(1, (message) => writeAttributes(message, 1, toAttributes(attributes)));
}

/** Writes field 1 of `ScopeSpans`. */
export function writeOtlpScope(scopeSpans: ProtobufWriter, { scope }: OtlpResource): void {
  scopeSpans.nested(1, (message) => message.text(1, scope.name).text(2, scope.version));
}

function writeSpan(message: ProtobufWriter, span: Span): void {
  message.hex(1, span.traceId.padStart(32, "0")).hex(2, span.id);
  if (span.parentId !== undefined) message.hex(4, span.parentId);
  message
    .fixed64(7, nanos(span.timestamp ?? 0))
    .fixed64(8, nanos((span.timestamp ?? 0) + (span.duration ?? 0)));
  writeOtlpShape(message, span);
  for (const { timestamp, value } of span.annotations ?? [])
    message.nested(11, (event) => event.fixed64(1, nanos(timestamp)).text(2, value));
}

/** Writes what many spans share: fields 5, 6, 9 and 15 of `Span`. */
export function writeOtlpShape(message: ProtobufWriter, span: SpanShape): void {
  const status = statusOf(span);
  message.text(5, span.name ?? "").varint(6, KINDS[span.kind ?? "INTERNAL"]);
  writeAttributes(message, 9, spanAttributes(span));
  if (status !== null)
    message.nested(15, (field) => field.text(2, status.message ?? "").varint(3, status.code));
}

function writeAttributes(message: ProtobufWriter, field: number, attributes: readonly Attribute[]): void {
  for (const { key, value } of attributes) {
    message.nested(field, (attribute) => {
      attribute.text(1, key);
      attribute.nested(2, (any) => (typeof value === "number" ? any.varint(3, value) : any.text(1, value)));
    });
  }
}

/** The status that the tags express, according to https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/#status */
function statusOf({ tags }: SpanShape): { code: number; message?: string } | null {
  if (tags?.error !== undefined) return { code: STATUS_ERROR, message: tags.error };
  return tags?.["otel.status_code"] === "OK" ? { code: STATUS_OK } : null;
}

function spanAttributes(span: SpanShape): Attribute[] {
  return toAttributes(span.tags ?? {}).filter(({ key }) => !STATUS_TAGS.has(key));
}

function toAttributes(tags: Readonly<Record<string, string>>): Attribute[] {
  return Object.entries(tags).map(([key, value]) =>
    INTEGER_ATTRIBUTES.has(key) && /^(?:0|[1-9]\d{0,8})$/.test(value)
      ? { key, value: Number(value) }
      : { key, value },
  );
}

function nanos(micros: number): bigint {
  return BigInt(Math.round(micros)) * 1000n;
}

/**
 * The number of spans of a batch that a receiver rejected, from the body of its 200 answer
 * (`ExportTraceServiceResponse`, JSON or protobuf).
 */
export function countRejectedSpans(answer: Uint8Array): number {
  const partial = answer[0] === OPENING_BRACE ? answer : findProtobufField(answer, 1);
  if (!(partial instanceof Uint8Array)) return 0;
  const rejected =
    partial === answer
      ? JSON.parse(new TextDecoder().decode(answer)).partialSuccess?.rejectedSpans
      : findProtobufField(partial, 1);
  return Number(rejected) || 0;
}

/** `{`, with which a protobuf answer cannot begin. */
const OPENING_BRACE = 0x7b;
