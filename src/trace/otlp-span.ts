/** The body is not an `ExportTraceServiceRequest`. */
export class OtlpError extends Error {
  override readonly name = "OtlpError";
}

/** A span as OTLP describes it, in JSON or protobuf. */
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
  /** Tags for fields that a Zipkin span does not have; see `otlp-tags.ts`. */
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

/** The text of a tag; lists and mappings become JSON. */
export function formatValue(value: Value): string {
  if (typeof value === "string") return value;
  return typeof value === "object" && value !== null ? toJson(value) : String(value ?? "");
}

/** `JSON.stringify` rejects 64-bit integers. */
function toJson(value: Value): string {
  if (typeof value === "bigint") return String(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (Array.isArray(value)) return `[${value.map(toJson).join(",")}]`;
  const members = Object.entries(value).map(([key, item]) => `${JSON.stringify(key)}:${toJson(item)}`);
  return `{${members.join(",")}}`;
}
