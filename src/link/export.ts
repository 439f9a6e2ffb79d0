import { countRejectedSpans, encodeOtlpJson, encodeOtlpProtobuf, type OtlpResource } from "../trace/otlp.ts";
import type { Span } from "../trace/span.ts";

/** How spans leave a link: where to, and in which form. */
export interface SpanEncoder {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Statuses after which the same batch may be sent again. */
  readonly retryStatuses: ReadonlySet<number>;
  encode(spans: readonly Span[]): string | Uint8Array<ArrayBuffer>;
  /** How many spans of a batch were not taken, by the body of the answer that accepted it. */
  countRejected(answer: Uint8Array): number;
}

export type ExportTarget =
  | { readonly kind: "zipkin"; readonly url: string }
  | {
      readonly kind: "otlp";
      readonly url: string;
      readonly protocol: OtlpProtocol;
      readonly headers: Readonly<Record<string, string>>;
    };

export type OtlpProtocol = "http/protobuf" | "http/json";

const ZIPKIN_PATH = "/api/v2/spans";
const OTLP_PATH = "/v1/traces";
const JSON_TYPE = "application/json";

/** https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const OTLP_RETRY: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Zipkin answers 500 to what may pass, too. */
const ZIPKIN_RETRY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export function createEncoder(target: ExportTarget, resource: OtlpResource): SpanEncoder {
  if (target.kind === "zipkin") {
    return {
      url: withPath(target.url, ZIPKIN_PATH),
      headers: { "Content-Type": JSON_TYPE },
      retryStatuses: ZIPKIN_RETRY,
      encode: (spans) => JSON.stringify(spans),
      countRejected: () => 0,
    };
  }
  const isJson = target.protocol === "http/json";
  return {
    url: withPath(target.url, OTLP_PATH),
    headers: { ...target.headers, "Content-Type": isJson ? JSON_TYPE : "application/x-protobuf" },
    retryStatuses: OTLP_RETRY,
    encode: (spans) => (isJson ? encodeOtlpJson(spans, resource) : encodeOtlpProtobuf(spans, resource)),
    countRejected: countRejectedSpans,
  };
}

/** A base URL gets the protocol's path; one that has a path already is taken as it is. */
function withPath(url: string, path: string): string {
  const parsed = new URL(url);
  if (parsed.pathname === "/" || parsed.pathname === "") parsed.pathname = path;
  return parsed.href;
}
