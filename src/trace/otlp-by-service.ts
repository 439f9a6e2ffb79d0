import { encodeOtlpGroups } from "./otlp.ts";
import { tagEndpoints } from "./otlp-endpoints.ts";
import type { Span } from "./span.ts";

export function groupByService(spans: readonly Span[]): Span[][] {
  return [...groupsOf(spans).values()];
}

/**
 * Spans of any services as one request with a resource for each. A reader gets the same spans, but for what only Zipkin has
 * (`shared`, `debug`) and for the tags that endpoints become on the way.
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
