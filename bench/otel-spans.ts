import {
  type Attributes,
  type Context,
  ROOT_CONTEXT,
  type SpanContext,
  SpanKind,
  TraceFlags,
  trace,
} from "@opentelemetry/api";
import { toZipkinSpan } from "@opentelemetry/exporter-zipkin/build/src/transform.js";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { type ReadableSpan, type SpanProcessor, TracerProvider } from "@opentelemetry/sdk-trace";

export type { ReadableSpan } from "@opentelemetry/sdk-trace";

/** Attributes of the `server` and `client` spans. */
export interface OtelShape {
  readonly name: string;
  readonly attributes: Attributes;
}

export type HrTime = [seconds: number, nanoseconds: number];

/** OpenTelemetry's SDK with a processor that only collects ended spans. */
export class OtelSpans {
  ended: ReadableSpan[] = [];
  readonly #tracer;

  constructor(service: string, scope: { readonly name: string; readonly version: string }) {
    const collector: SpanProcessor = {
      onStart() {},
      onEnd: (span) => void this.ended.push(span),
      forceFlush: async () => {},
      shutdown: async () => {},
    };
    const resource = resourceFromAttributes({ "service.name": service });
    const provider = new TracerProvider({ resource, spanProcessors: [collector] });
    this.#tracer = provider.getTracer(scope.name, scope.version);
  }

  /** Records the two spans of one hop, with a remote parent. The times default to now. */
  recordHop(
    remote: SpanContext,
    server: OtelShape,
    client: OtelShape,
    times?: readonly [HrTime, HrTime],
  ): void {
    const context = trace.setSpanContext(ROOT_CONTEXT, remote);
    const [start, end] = times ?? [];
    const outer = this.#tracer.startSpan(server.name, options(SpanKind.SERVER, server, start), context);
    const below: Context = trace.setSpan(context, outer);
    const inner = this.#tracer.startSpan(client.name, options(SpanKind.CLIENT, client, start), below);
    inner.end(end);
    outer.end(end);
  }
}

function options(kind: SpanKind, { attributes }: OtelShape, startTime: HrTime | undefined) {
  return startTime === undefined ? { kind, attributes } : { kind, attributes, startTime };
}

export function remoteContext(traceId: string, spanId: string): SpanContext {
  return { traceId, spanId, traceFlags: TraceFlags.SAMPLED, isRemote: true };
}

/** The bytes that the SDK's exporters send for a batch. */
export const OTEL_ENCODERS = {
  zipkin: (spans: ReadableSpan[], service: string) =>
    Buffer.from(
      JSON.stringify(spans.map((span) => toZipkinSpan(span, service, "otel.status_code", "error"))),
    ),
  "otlp-protobuf": (spans: ReadableSpan[]) => filled(ProtobufTraceSerializer.serializeRequest(spans)),
  "otlp-json": (spans: ReadableSpan[]) => filled(JsonTraceSerializer.serializeRequest(spans)),
};

function filled(bytes: Uint8Array | undefined): Uint8Array {
  if (bytes === undefined) throw new Error("the serializer returned nothing");
  return bytes;
}
