/** A body that is no `ExportTraceServiceRequest`. */
export class OtlpError extends Error {
  override readonly name = "OtlpError";
}

/** What OTLP says of a span, in either form. */
export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId: string;
  name: string;
  kind: number;
  start: bigint;
  end: bigint;
  attributes: Attributes;
  events: OtlpEvent[];
  statusCode: number;
  statusMessage: string;
  /** Tags for what a Zipkin span has no field for; see `otlp-tags.ts`. */
  tags: Map<string, string> | undefined;
}

export interface OtlpEvent {
  time: bigint;
  name: string;
  attributes: Attributes;
}

export type Value = string | number | boolean | bigint | null | Value[] | { [key: string]: Value };
export type Attributes = Map<string, Value>;

/** Deeper values are cut off. */
export const MAX_DEPTH = 20;

export function newSpan(): OtlpSpan {
  return {
    traceId: "",
    spanId: "",
    parentSpanId: "",
    name: "",
    kind: 0,
    start: 0n,
    end: 0n,
    attributes: new Map(),
    events: [],
    statusCode: 0,
    statusMessage: "",
    tags: undefined,
  };
}

/** As the text of a tag: what is no plain value as JSON. */
export function formatValue(value: Value): string {
  if (typeof value === "string") return value;
  return typeof value === "object" && value !== null ? toJson(value) : String(value ?? "");
}

/** `JSON.stringify` refuses integers of 64 bits. */
function toJson(value: Value): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`);
  return `{${members.join(",")}}`;
}
