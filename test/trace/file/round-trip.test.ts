import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { readTraceFile } from "../../../src/trace/file/read-trace-file.ts";
import { encodeOtlpByService, groupByService } from "../../../src/trace/otlp-by-service.ts";
import { tagEndpoints } from "../../../src/trace/otlp-endpoints.ts";
import type { Span } from "../../../src/trace/span.ts";
import { normalizeSpan } from "../../../src/trace/zipkin-span.ts";

const encode = (text: string) => new TextEncoder().encode(text);
const lines = (spans: readonly Span[]) => spans.map((span) => JSON.stringify(span)).join("\n");

const hex = (digits: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`)).filter((id) => !/^0+$/.test(id));
const micros = fc.integer({ min: 1, max: 4_000_000_000_000_000 });
const text = fc.string({ unit: "binary", maxLength: 20 }).filter((value) => value.isWellFormed());
const optional = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });

const tags = fc
  .dictionary(
    fc.oneof(text, fc.constantFrom("http.status_code", "error", "__proto__", "constructor")),
    text,
    {
      maxKeys: 5,
    },
  )
  .filter((some) => !Object.hasOwn(some, "otel.status_code"));

/** Any span of Zipkin's model. */
const span = fc
  .record({
    traceId: fc.oneof(hex(16), hex(32)),
    id: hex(16),
    parentId: optional(hex(16)),
    kind: fc.constantFrom(undefined, "CLIENT", "SERVER", "PRODUCER", "CONSUMER"),
    name: optional(text),
    timestamp: optional(micros),
    duration: optional(micros),
    localEndpoint: optional(
      fc.record({ serviceName: optional(text), ipv4: optional(fc.ipV4()), port: fc.nat(65_535) }),
    ),
    remoteEndpoint: optional(
      fc.record({ serviceName: optional(text), ipv4: optional(fc.ipV4()), port: fc.nat(65_535) }),
    ),
    annotations: optional(fc.array(fc.record({ timestamp: micros, value: text }), { maxLength: 3 })),
    tags: optional(tags),
    debug: fc.boolean(),
    shared: fc.boolean(),
  })
  .map((value) => normalizeSpan(value, 0));

/** Each id once, because equal spans would be merged, which is not tested here. */
const spans = fc.uniqueArray(span, {
  selector: ({ traceId, id }) => `${traceId}${id}`,
  minLength: 1,
  maxLength: 8,
});

describe.each<[string, (spans: readonly Span[]) => Uint8Array]>([
  ["a list of Zipkin JSON", (some) => encode(JSON.stringify(some))],
  ["a list of traces", (some) => encode(JSON.stringify(some.map((one) => [one])))],
  ["lines of Zipkin JSON", (some) => encode(lines(some))],
  ["pretty-printed Zipkin JSON", (some) => encode(JSON.stringify(some, null, 2))],
  ["UTF-16", (some) => Buffer.from(`\ufeff${JSON.stringify(some)}`, "utf16le")],
  ["gzip of several members", (some) => Buffer.concat(some.map((one) => gzipSync(JSON.stringify(one))))],
])("%s", (_, write) => {
  test("any spans are read back equal", () => {
    fc.assert(
      fc.property(spans, (some) => {
        expect(readTraceFile(new Uint8Array(write(some))).spans).toEqual(some);
      }),
      { numRuns: 40 },
    );
  });
});

describe.each<[string, (spans: readonly Span[]) => string]>([
  ["OTLP, a request for each service", (some) => groupByService(some).map(encodeOtlpByService).join("\n")],
  ["OTLP, one request", encodeOtlpByService],
  ["OTLP, pretty-printed", (some) => JSON.stringify(JSON.parse(encodeOtlpByService(some)), null, 2)],
  ["Tempo", (some) => encodeOtlpByService(some).replace("resourceSpans", "batches")],
  ["Jaeger API v3", (some) => `{"result":${encodeOtlpByService(some)}}`],
])("%s", (_, write) => {
  test("any spans are read back equal, except for what OTLP cannot express", () => {
    fc.assert(
      fc.property(spans, (some) => {
        const read = readTraceFile(encode(write(some))).spans;
        expect(sortById(read)).toEqual(sortById(some.map(asInOtlp)));
      }),
      { numRuns: 40 },
    );
  });
});

function sortById(some: readonly Span[]): Span[] {
  return some.toSorted((a, b) => (a.traceId + a.id < b.traceId + b.id ? -1 : 1));
}

/** Endpoints become tags on the way, an error becomes a status, and Zipkin's own fields are lost. */
function asInOtlp(span: Span): Span {
  const { shared, debug, duration, timestamp, tags: _, ...rest } = span;
  const all: Record<string, string> = { ...tagEndpoints(span).tags };
  if (all.error === "false") delete all.error;
  if (all.error !== undefined)
    Object.assign(all, { error: all.error || "true", "otel.status_code": "ERROR" });
  return {
    ...rest,
    ...(timestamp !== undefined && { timestamp, duration: duration ?? 1 }),
    ...(Object.keys(all).length > 0 && { tags: all }),
  };
}
