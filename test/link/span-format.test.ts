import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter } from "../../src/http/byte-writer.ts";
import { OtlpJsonFormat } from "../../src/link/otlp-json-format.ts";
import { OtlpProtobufFormat } from "../../src/link/otlp-protobuf-format.ts";
import type { SpanFormat } from "../../src/link/span-format.ts";
import { ZipkinFormat } from "../../src/link/zipkin-format.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import type { Span } from "../../src/trace/span.ts";
import { readProtobuf } from "../helpers/protobuf-reader.ts";
import { recordOf } from "../helpers/span-record.ts";

const SOURCE = { serviceName: "A", port: 3000 };
const LOCAL = { serviceName: "a", port: 3000 };
const RESOURCE = {
  attributes: { "service.name": "ä", "server.port": "80" },
  scope: { name: "chain-link", version: "1.2.3" },
};

const hex = (digits: number) =>
  fc
    .array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits })
    .map((all) => (/^0+$/.test(all.join("")) ? `${"0".repeat(digits - 1)}1` : all.join("")));
const text = fc.string({ unit: "binary", maxLength: 40 });
const tags = fc.dictionary(
  fc.constantFrom("error", "http.status_code", "http.url", "otel.status_code", "ü"),
  fc.oneof(text, fc.nat({ max: 599 }).map(String)),
);
const spans: fc.Arbitrary<Span> = fc.record(
  {
    traceId: fc.oneof(hex(32), hex(16)),
    id: hex(16),
    parentId: hex(16),
    kind: fc.constantFrom("CLIENT" as const, "SERVER" as const),
    name: text,
    timestamp: fc.integer({ min: 1_000_000_000_000_000, max: 4_102_444_800_000_000 }),
    duration: fc.integer({ min: 1, max: 100_000_000_000 }),
    tags,
    localEndpoint: fc.constant(LOCAL),
  },
  { requiredKeys: ["traceId", "id", "kind", "name", "timestamp", "duration", "tags", "localEndpoint"] },
);
const remote = fc.constantFrom(
  {},
  { remoteEndpoint: { ipv4: "10.1.2.3", port: 8080 } },
  { remoteEndpoint: { ipv6: "2001:db8::c001", port: 1 } },
  { remoteEndpoint: { serviceName: "next" } },
);
const flags = fc.constantFrom({}, { debug: true });

function encode(format: SpanFormat, batch: readonly Span[]): Uint8Array {
  const out = new ByteWriter(0);
  format.begin(out);
  for (const span of batch) format.write(out, recordOf(span, format));
  return format.end(out);
}

const batches = fc.array(spans, { minLength: 1, maxLength: 5 });

describe("spans written as bytes", () => {
  test("in Zipkin's JSON are read back equal", () => {
    const whole = fc.array(
      fc.tuple(spans, remote, flags).map((parts): Span => Object.assign({}, ...parts)),
      { minLength: 1, maxLength: 5 },
    );
    fc.assert(
      fc.property(whole, (batch) => {
        expect(JSON.parse(Buffer.from(encode(new ZipkinFormat(SOURCE), batch)).toString())).toEqual(batch);
      }),
    );
  });

  test("have the IPv4 address of a peer on a dual-stack socket", () => {
    const peer = new ZipkinFormat(SOURCE).renderPeer({ address: "::ffff:10.0.0.1", port: 5 });
    expect(Buffer.from(peer).toString()).toBe(',"remoteEndpoint":{"ipv4":"10.0.0.1","port":5}}');
  });

  test("in OTLP's JSON equal those of the plain encoder", () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const bytes = encode(new OtlpJsonFormat(RESOURCE), batch);
        expect(JSON.parse(Buffer.from(bytes).toString())).toEqual(
          JSON.parse(encodeOtlpJson(batch, RESOURCE)),
        );
      }),
    );
  });

  test("in OTLP's protobuf have the same fields as those of the plain encoder", () => {
    fc.assert(
      fc.property(batches, (batch) => {
        const bytes = encode(new OtlpProtobufFormat(RESOURCE), batch);
        expect(spansOf(bytes)).toEqual(spansOf(encodeOtlpProtobuf(batch, RESOURCE)));
      }),
    );
  });
});

/** The fields of resource, scope and spans, whatever the order in which they were written. */
function spansOf(bytes: Uint8Array): unknown {
  const nested = (field: bigint | Uint8Array | undefined) => readProtobuf(field as Uint8Array);
  const [resourceSpans, ...more] = readProtobuf(bytes).get(1) ?? [];
  const { resource, scopeSpans } = {
    resource: nested(resourceSpans).get(1),
    scopeSpans: nested(resourceSpans).get(2),
  };
  const scope = nested(scopeSpans?.[0]);
  const fields = (message: Uint8Array) => new Map([...readProtobuf(message)].sort(([a], [b]) => a - b));
  return {
    resource,
    scope: scope.get(1),
    spans: scope.get(2)?.map((span) => fields(span as Uint8Array)),
    rest: [more.length, scopeSpans?.length],
  };
}
