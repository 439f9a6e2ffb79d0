import { newSpanId, newTraceId } from "../src/trace/ids.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../src/trace/otlp.ts";
import type { Span } from "../src/trace/span.ts";
import { makeChain } from "../test/collector/spans.ts";
import { encodeZipkinProtobuf } from "../test/helpers/zipkin-protobuf.ts";

export const LINKS = 5;
export const SPANS_A_TRACE = 2 * LINKS - 1;
/** Traces per batch: each link reports its own spans of these traces in one batch. */
const TRACES_A_ROUND = 100;

export const FORMATS = {
  JSON: { path: "/api/v2/spans", type: "application/json", encode: JSON.stringify },
  protobuf: { path: "/api/v2/spans", type: "application/x-protobuf", encode: encodeZipkinProtobuf },
  "OTLP JSON": { path: "/v1/traces", type: "application/json", encode: asOtlp(encodeOtlpJson) },
  "OTLP protobuf": {
    path: "/v1/traces",
    type: "application/x-protobuf",
    encode: asOtlp(encodeOtlpProtobuf),
  },
} as const;

export type FormatName = keyof typeof FORMATS;

export interface Batches {
  /** Complete HTTP requests. */
  readonly requests: readonly Buffer[];
  readonly spans: number;
  /** IDs of some traces, including the last ones. */
  readonly samples: readonly string[];
}

/** Makes the batches that the links of a chain report, with at least `wanted` spans. */
export function makeBatches(format: FormatName, wanted: number): Batches {
  const requests: Buffer[] = [];
  const samples: string[] = [];
  let spans = 0;
  while (spans < wanted) {
    const chains = Array.from({ length: TRACES_A_ROUND }, makeTrace);
    samples.push(chains[0]?.[0]?.traceId ?? "", chains.at(-1)?.[0]?.traceId ?? "");
    for (let link = 0; link < LINKS; link++) {
      const own = chains.flatMap((chain) => chain.slice(2 * link, 2 * link + 2));
      spans += own.length;
      requests.push(makeRequest(format, own));
    }
  }
  return { requests, spans, samples };
}

export function makeRequest(format: FormatName, spans: readonly Span[], headers = ""): Buffer {
  const { path, type, encode } = FORMATS[format];
  return frame(path, `Content-Type: ${type}\r\n${headers}`, encode(spans));
}

export function frame(path: string, headers: string, body: string | Uint8Array): Buffer {
  const bytes = Buffer.from(body);
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}Content-Length: ${bytes.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), bytes]);
}

/** Makes a trace with random ids, so that no two traces share one. */
export function makeTrace(): Span[] {
  const chain = makeChain(newTraceId(), LINKS, Date.now() - 1000);
  const ids = new Map(chain.map(({ id }) => [id, newSpanId()]));
  return chain.map(({ parentId, ...span }) => ({
    ...span,
    id: ids.get(span.id) as string,
    ...(parentId !== undefined && { parentId: ids.get(parentId) as string }),
  }));
}

function asOtlp<T>(encode: (spans: readonly Span[], resource: typeof RESOURCE) => T) {
  return (spans: readonly Span[]) => encode(spans, RESOURCE);
}

const RESOURCE = {
  attributes: { "service.name": "chain-link-service-0" },
  scope: { name: "chain-link", version: "1" },
};
