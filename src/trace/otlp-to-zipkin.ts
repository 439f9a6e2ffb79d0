// Converts OTLP 1.x spans to Zipkin spans:
// https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/
import { readLocalEndpoint, readRemoteEndpoint } from "./otlp-endpoints.ts";
import { type Attributes, formatValue, type OtlpEvent, type OtlpSpan } from "./otlp-span.ts";
import type { Annotation, Span, SpanKind } from "./span.ts";

const KINDS: readonly (SpanKind | undefined)[] = [
  undefined,
  undefined,
  "SERVER",
  "CLIENT",
  "PRODUCER",
  "CONSUMER",
];
const STATUS_OK = 1;
const STATUS_ERROR = 2;

/** What all spans of a resource and scope have in common. */
export interface Surroundings {
  readonly serviceName: string;
  readonly tags: ReadonlyMap<string, string>;
}

/** Why a span cannot be stored; `undefined` if it can. */
export function findProblem({ traceId, spanId, parentSpanId }: OtlpSpan): string | undefined {
  if (!/^[0-9a-f]{32}$/.test(traceId)) return "a trace id is not 16 bytes";
  if (/^0+$/.test(traceId)) return "a trace id is all zeros";
  if (!/^[0-9a-f]{16}$/.test(spanId)) return "a span id is not 8 bytes";
  if (/^0+$/.test(spanId)) return "a span id is all zeros";
  if (parentSpanId !== "" && !/^[0-9a-f]{16}$/.test(parentSpanId)) return "a parent span id is not 8 bytes";
  return undefined;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

export function toZipkin(span: OtlpSpan, { serviceName, tags }: Surroundings): Span {
  const { traceId, parentSpanId, spanId } = span;
  const isShort = traceId.startsWith("0".repeat(16));
  const result: Mutable<Span> = { traceId: isShort ? traceId.slice(16) : traceId, id: spanId };
  if (parentSpanId !== "" && !/^0+$/.test(parentSpanId) && parentSpanId !== spanId)
    result.parentId = parentSpanId;
  const kind = KINDS[span.kind];
  if (kind !== undefined) result.kind = kind;
  if (span.name !== "") result.name = span.name.toLowerCase();
  const timestamp = Number(span.start / 1000n);
  if (timestamp > 0) {
    result.timestamp = timestamp;
    const nanos = span.end - span.start;
    // Divide before converting: a number of nanoseconds above 104 days would be rounded.
    if (nanos >= 0n) result.duration = Math.max(1, Number(nanos / 1000n));
  }
  const local = readLocalEndpoint(serviceName, span.attributes);
  if (local !== undefined) result.localEndpoint = local;
  const remote = readRemoteEndpoint(kind, span.attributes);
  if (remote !== undefined) result.remoteEndpoint = remote;
  if (span.events.length > 0) result.annotations = toAnnotations(span.events);
  const all = new Map(tags);
  for (const [key, value] of span.attributes) all.set(key, formatValue(value));
  if (span.tags !== undefined) for (const [key, value] of span.tags) all.set(key, value);
  if (all.get("error") === "false") all.delete("error");
  if (span.statusCode === STATUS_OK) all.set("otel.status_code", "OK");
  if (span.statusCode === STATUS_ERROR) {
    all.set("otel.status_code", "ERROR");
    all.set("error", span.statusMessage || all.get("error") || "true");
  }
  if (all.size > 0) result.tags = Object.fromEntries(all);
  return result;
}

function toAnnotations(events: readonly OtlpEvent[]): Annotation[] {
  return events
    .map(({ time, name, attributes }) => ({
      timestamp: Number(time / 1000n),
      value: attributes.size === 0 ? name : formatValue({ [name]: Object.fromEntries(attributes) }),
    }))
    .sort((a, b) => a.timestamp - b.timestamp || (a.value < b.value ? -1 : 1));
}

/** What all spans of a resource have in common. */
export function surroundResource(resource: Attributes): Surroundings {
  const tags = new Map<string, string>();
  for (const [key, value] of resource) if (key !== "service.name") tags.set(key, formatValue(value));
  const name = resource.get("service.name");
  return { serviceName: name === undefined ? "" : formatValue(name).toLowerCase(), tags };
}

/** Adds what all spans of a scope have in common. */
export function surroundScope(
  resource: Surroundings,
  name: string,
  version: string,
  attributes: Attributes,
): Surroundings {
  // Copies nothing for an empty scope: a batch may have more of them than its resource has tags.
  if (name === "" && version === "" && attributes.size === 0) return resource;
  const tags = new Map(resource.tags);
  for (const [key, value] of attributes) tags.set(key, formatValue(value));
  if (name !== "") tags.set("otel.scope.name", name);
  if (version !== "") tags.set("otel.scope.version", version);
  return { serviceName: resource.serviceName, tags };
}
