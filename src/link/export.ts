import type { TlsOptions } from "../http/upstream.ts";
import { apiUrl } from "../lib/endpoint.ts";
import { countRejectedSpans, type OtlpResource } from "../trace/otlp.ts";
import { OtlpJsonFormat } from "./otlp-json-format.ts";
import { OtlpProtobufFormat } from "./otlp-protobuf-format.ts";
import type { SpanFormat, SpanSource } from "./span-format.ts";
import { ZipkinFormat } from "./zipkin-format.ts";

export type ExportTarget =
  | {
      readonly kind: "zipkin";
      /** A base URL. */
      readonly url: string;
      /** Secret. @default none */
      readonly headers?: Readonly<Record<string, string>>;
    }
  | {
      readonly kind: "otlp";
      /** A base URL, or with `isExact` the complete URL for batches. */
      readonly url: string;
      readonly isExact?: boolean;
      readonly protocol: OtlpProtocol;
      /** Secret. */
      readonly headers: Readonly<Record<string, string>>;
      /** @default false */
      readonly isCompressed?: boolean;
      /** Secret if it contains a key. */
      readonly tls?: TlsOptions;
    };

export type OtlpProtocol = "http/protobuf" | "http/json";

/** Where spans are sent, and in which format. */
export interface Exporter {
  readonly url: string;
  /** Secret. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** Batches are compressed with gzip. */
  readonly isCompressed: boolean;
  readonly tls: TlsOptions;
  /** Statuses after which the same batch may be sent again. */
  readonly retryStatuses: ReadonlySet<number>;
  readonly format: SpanFormat;
  /** The number of rejected spans in an accepted batch, from the body of the answer. */
  countRejected(answer: Uint8Array): number;
}

const JSON_TYPE = "application/json";

/** https://opentelemetry.io/docs/specs/otlp/#retryable-response-codes */
const OTLP_RETRY: ReadonlySet<number> = new Set([429, 502, 503, 504]);
/** Zipkin also answers transient errors with 500. */
const ZIPKIN_RETRY: ReadonlySet<number> = new Set([429, 500, 502, 503, 504]);

export function createExporter(target: ExportTarget, source: SpanSource, resource: OtlpResource): Exporter {
  if (target.kind === "zipkin") {
    return {
      url: apiUrl(target.url, "zipkin", "/api/v2/spans"),
      headers: [...Object.entries(target.headers ?? {}), ["Content-Type", JSON_TYPE]],
      isCompressed: false,
      tls: {},
      retryStatuses: ZIPKIN_RETRY,
      format: new ZipkinFormat(source),
      countRejected: () => 0,
    };
  }
  const isJson = target.protocol === "http/json";
  const type = isJson ? JSON_TYPE : "application/x-protobuf";
  return {
    url: target.isExact ? target.url : apiUrl(target.url, "otlp", "/v1/traces"),
    headers: [
      ...Object.entries(target.headers),
      ["Content-Type", type],
      ...(target.isCompressed ? [["Content-Encoding", "gzip"] as const] : []),
    ],
    isCompressed: target.isCompressed ?? false,
    tls: target.tls ?? {},
    retryStatuses: OTLP_RETRY,
    format: isJson ? new OtlpJsonFormat(resource) : new OtlpProtobufFormat(resource),
    countRejected: countRejectedSpans,
  };
}
