// Tags for OTLP fields that Zipkin does not have. Counts and the scope:
// https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/
// Links and tracestate, as the OpenTelemetry Collector's Zipkin exporter writes them:
// https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/pkg/translator/zipkin
import { type Attributes, formatValue, type OtlpSpan } from "./otlp-span.ts";

export const DROPPED_ATTRIBUTES = "otel.dropped_attributes_count";
export const DROPPED_EVENTS = "otel.dropped_events_count";
export const DROPPED_LINKS = "otel.dropped_links_count";
export const TRACE_STATE = "w3c.tracestate";

export interface OtlpLink {
  traceId: string;
  spanId: string;
  traceState: string;
  attributes: Attributes;
  droppedAttributes: number;
}

/** Adds a tag unless the value is absent (0 or ""). */
export function addTag(span: OtlpSpan, key: string, value: string | number): void {
  if (value === 0 || value === "") return;
  span.tags ??= new Map();
  span.tags.set(key, String(value));
}

/** Adds `otlp.link.0` and so on: ids, tracestate, attributes as JSON and the number of dropped ones, separated by vertical bars. */
export function addLinkTag(span: OtlpSpan, index: number, link: OtlpLink): void {
  const attributes = formatValue(Object.fromEntries(link.attributes));
  const parts = [link.traceId, link.spanId, link.traceState, attributes, link.droppedAttributes];
  addTag(span, `otlp.link.${index}`, parts.join("|"));
}
