import type { Endpoint, Span } from "../src/trace/span.ts";
import { element } from "./dom.js";
import { formatDuration } from "./format.js";

/** Everything that a span says of itself. `traceStart` is what times are counted from, microseconds since 1970. */
export function describeSpan(span: Span, traceStart: number): HTMLElement {
  const offset = (timestamp: number) =>
    timestamp < traceStart ? "before" : `+ ${formatDuration(timestamp - traceStart)}`;
  const fields: [string, string | undefined][] = [
    ["Kind", span.kind ?? "local"],
    ["Start", span.timestamp === undefined ? undefined : offset(span.timestamp)],
    ["Duration", span.duration === undefined ? undefined : formatDuration(span.duration)],
    ["Span id", span.id],
    ["Parent id", span.parentId],
    ["Shared", span.shared ? "yes, the server half of the client's span" : undefined],
    ["Local", describeEndpoint(span.localEndpoint)],
    ["Remote", describeEndpoint(span.remoteEndpoint)],
  ];
  const notes = (span.annotations ?? []).map(({ timestamp, value }): [string, string] => [
    offset(timestamp),
    value,
  ]);
  return element(
    "div",
    "details",
    table("Span", fields),
    table("Tags", Object.entries(span.tags ?? {})),
    table("Annotations", notes),
  );
}

function table(
  title: string,
  rows: readonly (readonly [string, string | undefined])[],
): HTMLElement | string {
  const given = rows.filter(([, value]) => value !== undefined);
  if (given.length === 0) return "";
  const body = given.map(([key, value]) =>
    element("tr", "", element("th", { attributes: { scope: "row" } }, key), element("td", "", value ?? "")),
  );
  return element("table", "", element("caption", "", title), element("tbody", "", ...body));
}

function describeEndpoint(endpoint: Endpoint | undefined): string | undefined {
  if (endpoint === undefined) return undefined;
  const address = endpoint.ipv4 ?? (endpoint.ipv6 && `[${endpoint.ipv6}]`) ?? "";
  const place = endpoint.port === undefined ? address : `${address}:${endpoint.port}`;
  return [endpoint.serviceName, place].filter(Boolean).join(" at ");
}
