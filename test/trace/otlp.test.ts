import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { countRejectedSpans, encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { decodeOtlpJson } from "../../src/trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../../src/trace/otlp-protobuf-decode.ts";
import type { Span } from "../../src/trace/span.ts";
import { type Fields, readProtobuf } from "../helpers/protobuf-reader.ts";

const RESOURCE = {
  attributes: { "service.name": "cart", "deployment.environment": "tést" },
  scope: { name: "chain-link", version: "1.2.3" },
};

const SERVER: Span = {
  traceId: "463ac35c9f6413ad48485a3953bb6124",
  id: "a2fb4a1d1a96d312",
  parentId: "05e3ac9a4f6e3b90",
  kind: "SERVER",
  name: "/forward",
  timestamp: 1_700_000_000_123_456,
  duration: 789,
  localEndpoint: { serviceName: "cart", port: 8000 },
  tags: { "http.method": "GET", "http.status_code": "503", "server.port": "8000", error: "503" },
};

/** The request as JSON, decoded from protobuf with the field names of trace.proto. */
function decode(bytes: Uint8Array): unknown {
  const resourceSpans = messages(readProtobuf(bytes), 1).map((it) => ({
    resource: only(messages(it, 1).map((resource) => ({ attributes: attributes(resource, 1) }))),
    scopeSpans: messages(it, 2).map((scoped) => ({
      scope: only(messages(scoped, 1).map((scope) => ({ name: text(scope, 1), version: text(scope, 2) }))),
      spans: messages(scoped, 2).map(decodeSpan),
    })),
  }));
  return { resourceSpans };
}

function decodeSpan(span: Fields): object {
  const parentSpanId = hex(span, 4);
  const [status] = messages(span, 15);
  const events = messages(span, 11).map((event) => ({
    timeUnixNano: String(number(event, 1)),
    name: text(event, 2),
  }));
  return {
    traceId: hex(span, 1),
    spanId: hex(span, 2),
    ...(parentSpanId === "" ? {} : { parentSpanId }),
    name: text(span, 5),
    kind: Number(number(span, 6)),
    startTimeUnixNano: String(number(span, 7)),
    endTimeUnixNano: String(number(span, 8)),
    attributes: attributes(span, 9),
    ...(events.length > 0 && { events }),
    ...(status === undefined
      ? {}
      : { status: { code: Number(number(status, 3)), message: text(status, 2) } }),
  };
}

function attributes(fields: Fields, field: number): object[] {
  return messages(fields, field).map((attribute) => {
    const [value] = messages(attribute, 2);
    if (value === undefined) throw new Error("an attribute without value");
    return {
      key: text(attribute, 1),
      value: value.has(3) ? { intValue: String(number(value, 3)) } : { stringValue: text(value, 1) },
    };
  });
}

function bytes(fields: Fields, field: number): Uint8Array[] {
  return (fields.get(field) ?? []).filter((value) => value instanceof Uint8Array);
}

function messages(fields: Fields, field: number): Fields[] {
  return bytes(fields, field).map(readProtobuf);
}

function text(fields: Fields, field: number): string {
  return new TextDecoder("utf-8", { fatal: true }).decode(bytes(fields, field)[0]);
}

function hex(fields: Fields, field: number): string {
  return Buffer.from(bytes(fields, field)[0] ?? []).toString("hex");
}

function number(fields: Fields, field: number): bigint {
  const value = fields.get(field)?.[0] ?? 0n;
  return typeof value === "bigint" ? value : -1n;
}

function only<T>(list: readonly T[]): T | undefined {
  expect(list.length).toBe(1);
  return list[0];
}

test("OTLP JSON has ids in hex, 64-bit numbers as text, the error as status and known numbers as integers", () => {
  expect(JSON.parse(encodeOtlpJson([SERVER], RESOURCE))).toEqual({
    resourceSpans: [
      {
        resource: {
          attributes: [
            { key: "service.name", value: { stringValue: "cart" } },
            { key: "deployment.environment", value: { stringValue: "tést" } },
          ],
        },
        scopeSpans: [
          {
            scope: { name: "chain-link", version: "1.2.3" },
            spans: [
              {
                traceId: "463ac35c9f6413ad48485a3953bb6124",
                spanId: "a2fb4a1d1a96d312",
                parentSpanId: "05e3ac9a4f6e3b90",
                name: "/forward",
                kind: 2,
                startTimeUnixNano: "1700000000123456000",
                endTimeUnixNano: "1700000000124245000",
                attributes: [
                  { key: "http.method", value: { stringValue: "GET" } },
                  { key: "http.status_code", value: { intValue: "503" } },
                  { key: "server.port", value: { intValue: "8000" } },
                ],
                status: { code: 2, message: "503" },
              },
            ],
          },
        ],
      },
    ],
  });
});

test("a 64-bit trace id is padded with zeros", () => {
  const [batch] = JSON.parse(
    encodeOtlpJson([{ ...SERVER, traceId: "48485a3953bb6124" }], RESOURCE),
  ).resourceSpans;
  expect(batch.scopeSpans[0].spans[0].traceId).toBe("000000000000000048485a3953bb6124");
});

test.each([
  ["JSON", (spans: Span[]) => decodeOtlpJson(Buffer.from(encodeOtlpJson(spans, RESOURCE)))],
  ["protobuf", (spans: Span[]) => decodeOtlpProtobuf(encodeOtlpProtobuf(spans, RESOURCE))],
])("annotations are events in %s, and come back as they were", (_form, pass) => {
  const annotations = [
    { timestamp: 1_700_000_000_123_457, value: "ws" },
    { timestamp: 1_700_000_000_123_458, value: '{"é":1}' },
  ];
  const spans = [...pass([SERVER, { ...SERVER, annotations }])].flatMap((batch) => batch.spans);
  expect(spans.map((span) => span.annotations)).toEqual([undefined, annotations]);
});

describe("OTLP protobuf", () => {
  const idOf = (digits: number) =>
    fc
      .array(fc.constantFrom(..."0123456789abcdef"), { minLength: digits, maxLength: digits })
      .map((it) => it.join(""));
  // Characters of one to four bytes, and texts around the lengths at which the length field grows by a byte.
  const texts = fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.integer({ min: 100, max: 150 }).map((length) => "é".repeat(length)),
    fc.constant("x".repeat(16_384)),
  );
  const spans: fc.Arbitrary<Span> = fc.record(
    {
      traceId: fc.oneof(idOf(32), idOf(16)),
      id: idOf(16),
      parentId: idOf(16),
      kind: fc.constantFrom("CLIENT", "SERVER", "PRODUCER", "CONSUMER"),
      name: texts,
      timestamp: fc.integer({ min: 1, max: 4_000_000_000_000_000 }),
      duration: fc.integer({ min: 1, max: 4_000_000_000 }),
      annotations: fc.array(
        fc.record({ timestamp: fc.integer({ min: 1, max: 4_000_000_000_000_000 }), value: texts }),
        { minLength: 1, maxLength: 3 },
      ),
      tags: fc.dictionary(
        fc.oneof(texts, fc.constantFrom("http.status_code", "server.port", "error")),
        fc.oneof(texts, fc.constantFrom("0", "127", "128", "999999999", "x")),
      ),
    },
    { requiredKeys: ["traceId", "id"] },
  );

  test("has the same content as JSON", () => {
    fc.assert(
      fc.property(fc.array(spans, { maxLength: 4 }), (batch) => {
        const json = JSON.parse(encodeOtlpJson(batch, RESOURCE));
        expect(decode(encodeOtlpProtobuf(batch, RESOURCE))).toEqual(json);
      }),
    );
  });

  test("can be larger than the initial buffer", () => {
    const batch = Array.from({ length: 2000 }, (_, index) => ({
      ...SERVER,
      id: (index + 1).toString(16).padStart(16, "0"),
    }));
    const json = JSON.parse(encodeOtlpJson(batch, RESOURCE));
    expect(decode(encodeOtlpProtobuf(batch, RESOURCE))).toEqual(json);
  });
});

describe("the answer of a receiver", () => {
  const utf8 = (text: string) => new TextEncoder().encode(text);

  test.each([
    ["an empty protobuf message", new Uint8Array()],
    ["an empty JSON object", utf8("{}")],
    ["JSON without a number", utf8('{"partialSuccess":{"errorMessage":"use TLS"}}')],
    ["protobuf with a message alone", Uint8Array.of(0x0a, 0x04, 0x12, 0x02, 0x68, 0x69)],
    ["text", utf8("OK")],
  ])("%s rejects nothing", (_what, answer) => {
    expect(countRejectedSpans(answer)).toBe(0);
  });

  test("in JSON has the number of rejected spans as text or number", () => {
    expect(countRejectedSpans(utf8('{"partialSuccess":{"rejectedSpans":"3","errorMessage":"x"}}'))).toBe(3);
    expect(countRejectedSpans(utf8('{"partialSuccess":{"rejectedSpans":3}}'))).toBe(3);
  });

  test("in protobuf has the number of rejected spans", () => {
    expect(countRejectedSpans(Uint8Array.of(0x0a, 0x03, 0x08, 0xac, 0x02))).toBe(300);
    expect(countRejectedSpans(Uint8Array.of(0x0a, 0x06, 0x12, 0x02, 0x68, 0x69, 0x08, 0x05))).toBe(5);
  });

  test("is parsed without error even if it is malformed", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), (answer) => {
        if (answer[0] !== 0x7b) expect(countRejectedSpans(answer)).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 1000 },
    );
  });
});
