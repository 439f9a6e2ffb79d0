import { encodeOtlpGroups } from "./otlp.ts";
import { tagEndpoints } from "./otlp-endpoints.ts";
import type { Span } from "./span.ts";

export function groupByService(spans: readonly Span[]): Span[][] {
  return [...groupsOf(spans).values()];
}

/**
 * Encodes spans of any services as one request with a resource per service. A reader gets equal spans, except for what only
 * Zipkin has (`shared`, `debug`) and for the tags into which endpoints are converted.
 */
export function encodeOtlpByService(spans: readonly Span[]): string {
  const groups = Array.from(groupsOf(spans), ([name, some]) => ({
    spans: some.map(tagEndpoints),
    resource: { attributes: { "service.name": name }, scope: { name: "", version: "" } },
  }));
  return encodeOtlpGroups(groups);
}

function groupsOf(spans: readonly Span[]): Map<string, Span[]> {
  return Map.groupBy(spans, ({ localEndpoint }) => localEndpoint?.serviceName ?? "");
}
