import { countRejectedSpans, type OtlpResource } from "../trace/otlp.ts";
import { OtlpJsonFormat } from "./otlp-json-format.ts";
import { OtlpProtobufFormat } from "./otlp-protobuf-format.ts";
import type { SpanFormat, SpanSource } from "./span-format.ts";
import { ZipkinFormat } from "./zipkin-format.ts";

export type ExportTarget =
  | { readonly kind: "zipkin"; readonly url: string }
  | {
      readonly kind: "otlp";
      readonly url: string;
      readonly protocol: OtlpProtocol;
      readonly headers: Readonly<Record<string, string>>;
    };

export type OtlpProtocol = "http/protobuf" | "http/json";

/** How spans leave a link: where to, and in which form. */
export interface Exporter {
  readonly url: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Statuses after which the same batch may be sent again. */
  readonly retryStatuses: ReadonlySet<number>;
  readonly format: SpanFormat;
  /** How many spans of a batch were not taken, by the body of the answer that accepted it. */
  countRejected(answer: Uint8Array): number;
}

const ZIPKIN_PATH = "/api/v2/spans";
const OTLP_PATH = "/v1/traces";
const JSON_TYPE = "application/json";

/** https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const OTLP_RETRY: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Zipkin answers 500 to what may pass, too. */
const ZIPKIN_RETRY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export function createExporter(target: ExportTarget, source: SpanSource, resource: OtlpResource): Exporter {
  if (target.kind === "zipkin") {
    return {
      url: withPath(target.url, ZIPKIN_PATH),
      headers: [["Content-Type", JSON_TYPE]],
      retryStatuses: ZIPKIN_RETRY,
      format: new ZipkinFormat(source),
      countRejected: () => 0,
    };
  }
  const isJson = target.protocol === "http/json";
  const type = isJson ? JSON_TYPE : "application/x-protobuf";
  return {
    url: withPath(target.url, OTLP_PATH),
    headers: [...Object.entries(target.headers), ["Content-Type", type]],
    retryStatuses: OTLP_RETRY,
    format: isJson ? new OtlpJsonFormat(resource) : new OtlpProtobufFormat(resource),
    countRejected: countRejectedSpans,
  };
}

/** A base URL gets the protocol's path; one that has a path already is taken as it is. */
function withPath(url: string, path: string): string {
  const parsed = new URL(url);
  if (parsed.pathname === "/" || parsed.pathname === "") parsed.pathname = path;
  return parsed.href;
}
