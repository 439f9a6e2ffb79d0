import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { decodeOtlpJson } from "../../src/trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../../src/trace/otlp-protobuf-decode.ts";
import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import { decodeZipkinSlices, decodeZipkinV1Slices } from "../../src/trace/zipkin-json.ts";
import { decodeZipkinProtobuf } from "../../src/trace/zipkin-protobuf.ts";
import { hexId } from "./spans.ts";

// A batch may have 10 MiB. The collector decodes it in pieces and serves other requests in between, so no piece may be
// large, whatever the batch contains. These tests count pieces instead of measuring time, which depends on the machine.

const SIZE = 1024 * 1024;
const fill = (open: string, item: string, close: string) =>
  Buffer.from(
    `${open}${Array(Math.floor(SIZE / (item.length + 1)))
      .fill(item)
      .join(",")}${close}`,
  );

/** Returns the number of pieces in which a batch is decoded. */
function countPieces(pieces: Iterable<unknown>): number {
  let count = 0;
  for (const _ of pieces) count++;
  return count;
}

const TRACE_ID = "0123456789abcdef";
const otlpSpan = (fields: string) =>
  `{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"${TRACE_ID}${TRACE_ID}","spanId":"${TRACE_ID}",${fields}`;

describe("a large batch is decoded in many pieces", () => {
  test.each([
    ["resources", '{"resourceSpans":[', "{}", "]}", 300],
    ["scopes", '{"resourceSpans":[{"scopeSpans":[', "{}", "]}]}", 300],
    ["spans", '{"resourceSpans":[{"scopeSpans":[{"spans":[', "{}", "]}]}]}", 300],
    ["resources with a span each", '{"resourceSpans":[', '{"scopeSpans":[{"spans":[{}]}]}', "]}", 50],
  ])("a batch of empty OTLP JSON %s is decoded in many pieces", (_, open, item, close, least) => {
    expect(countPieces(decodeOtlpJson(fill(open, item, close)))).toBeGreaterThan(least);
  });

  test.each([
    ["resources", [0x0a, 0]],
    ["fields that are unknown", [0x10, 0]],
  ])("a batch of OTLP protobuf with empty %s is decoded in many pieces", (_, bytes) => {
    const body = Buffer.alloc(SIZE, Buffer.from(bytes));
    expect(countPieces(decodeOtlpProtobuf(body))).toBeGreaterThan(300);
  });

  test("a batch of OTLP protobuf with empty spans is decoded in many pieces", () => {
    const spans = Buffer.alloc(SIZE, Buffer.from([0x12, 0]));
    expect(countPieces(decodeOtlpProtobuf(nest(1, nest(2, spans))))).toBeGreaterThan(300);
  });

  test("a batch of Zipkin JSON with tiny spans is decoded in many pieces", () => {
    const span = `{"traceId":"${TRACE_ID}","id":"1"}`;
    expect(countPieces(decodeZipkinSlices(fill("[", span, "]")))).toBeGreaterThan(4);
    expect(countPieces(decodeZipkinV1Slices(fill("[", span, "]")))).toBeGreaterThan(4);
    expect(countPieces(decodeZipkinProtobuf(Buffer.alloc(SIZE, Buffer.from([0x10, 0]))))).toBeGreaterThan(4);
  });
});

describe("a span that would decode to too large a piece is rejected with the reason", () => {
  let collector: Collector;
  beforeAll(() => {
    collector = startCollector({ host: "127.0.0.1", port: 0 });
  });
  afterAll(() => collector.stop());
  const levels = "[".repeat(SIZE / 2) + "]".repeat(SIZE / 2);
  const zipkinSpan = `[{"traceId":"${TRACE_ID}","id":"1",`;
  const zipkinIds = new ProtobufWriter().hex(1, TRACE_ID).hex(3, hexId(1)).finish();
  const otlpIds = new ProtobufWriter()
    .hex(1, TRACE_ID + TRACE_ID)
    .hex(2, hexId(1))
    .finish();
  const many = (field: number) => Buffer.alloc(SIZE, Buffer.from([field * 8 + 2, 0]));

  test.each([
    ["Zipkin tags", "/api/v2/spans", fill(`${zipkinSpan}"tags":{`, '"a":"b"', "}}]")],
    [
      "Zipkin annotations",
      "/api/v2/spans",
      fill(`${zipkinSpan}"annotations":[`, '{"timestamp":1,"value":""}', "]}]"),
    ],
    ["Zipkin unknown values", "/api/v2/spans", fill(`${zipkinSpan}"x":[`, "{}", "]}]")],
    ["Zipkin levels", "/api/v2/spans", Buffer.from(`${zipkinSpan}"x":${levels}}]`)],
    [
      "v1 annotations",
      "/api/v1/spans",
      fill(`${zipkinSpan}"annotations":[`, '{"timestamp":1,"value":"sr"}', "]}]"),
    ],
    ["OTLP attributes", "/v1/traces", fill(otlpSpan('"attributes":['), "{}", "]}]}]}]}")],
    ["OTLP events", "/v1/traces", fill(otlpSpan('"events":['), "{}", "]}]}]}]}")],
    ["OTLP links", "/v1/traces", fill(otlpSpan('"links":['), "{}", "]}]}]}]}")],
    ["OTLP levels", "/v1/traces", Buffer.from(otlpSpan(`"x":${levels}}]}]}]}`))],
    [
      "OTLP resource attributes",
      "/v1/traces",
      fill('{"resourceSpans":[{"resource":{"attributes":[', "{}", "]}}]}"),
    ],
    ["OTLP fields", "/v1/traces", fill("{", '"a":1', "}")],
  ])("%s", async (_, path, body) => {
    const headers = { "Content-Type": "application/json" };
    const response = await fetch(collector.url + path, {
      method: "POST",
      headers,
      body: new Uint8Array(body),
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toMatch(
      /Expected at most \d+ (values in one span|levels of nesting|fields)/,
    );
  });

  test.each([
    ["Zipkin tags", "/api/v2/spans", nest(1, zipkinIds, many(11))],
    ["Zipkin annotations", "/api/v2/spans", nest(1, zipkinIds, many(10))],
    ["OTLP attributes", "/v1/traces", nest(1, nest(2, nest(2, otlpIds, many(9))))],
    ["OTLP events", "/v1/traces", nest(1, nest(2, nest(2, otlpIds, many(11))))],
    [
      "OTLP list values",
      "/v1/traces",
      nest(1, nest(2, nest(2, otlpIds, nest(9, nest(2, nest(5, many(1))))))),
    ],
    ["OTLP resource attributes", "/v1/traces", nest(1, nest(1, many(1)))],
    ["OTLP scopes", "/v1/traces", nest(1, many(2))],
  ])("protobuf %s", async (_, path, body) => {
    const headers = { "Content-Type": "application/x-protobuf" };
    const response = await fetch(collector.url + path, {
      method: "POST",
      headers,
      body: new Uint8Array(body),
    });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("has more than 50000 fields");
  });

  test("a resource whose attributes would be copied to too many spans is rejected", async () => {
    const attributes = Array.from(
      { length: 1000 },
      (_, index) => `{"key":"k${index}","value":{"intValue":1}}`,
    );
    const span = `{"traceId":"${TRACE_ID}${TRACE_ID}","spanId":"${TRACE_ID}"}`;
    const open = `{"resourceSpans":[{"resource":{"attributes":[${attributes.join(",")}]},"scopeSpans":[{"spans":[`;
    const headers = { "Content-Type": "application/json" };
    const body = new Uint8Array(fill(open, span, "]}]}]}"));
    const response = await fetch(`${collector.url}/v1/traces`, { method: "POST", headers, body });
    expect(response.status).toBe(400);
    expect(await response.text()).toContain("Expected at most 5000000 attributes");
    expect(collector.store.counts().spans).toBe(0);
  });
});

test("large legitimate spans are stored: 10,000 tags, or one of 9 MB", async () => {
  const collector = startCollector({ host: "127.0.0.1", port: 0 });
  const tags = Object.fromEntries(
    Array.from({ length: 10_000 }, (_, index) => [`key ${index}`, "x".repeat(50)]),
  );
  const large = { text: "é".repeat(4_500_000) };
  for (const [index, each] of [tags, large].entries()) {
    const body = JSON.stringify([{ traceId: hexId(index + 1), id: hexId(1), tags: each }]);
    expect((await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body })).status).toBe(202);
    expect((await fetch(`${collector.url}/api/v2/spans`, { method: "POST", body })).status).toBe(202);
    const stored = collector.store.trace(hexId(index + 1));
    expect(stored).toHaveLength(1);
    expect(Object.keys(stored?.[0]?.tags ?? {})).toHaveLength(Object.keys(each).length);
  }
  await collector.stop();
});

/** Encodes a message in a field. */
function nest(field: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts);
  const head = [field * 8 + 2];
  let length = content.length;
  for (; length >= 0x80; length = Math.floor(length / 0x80)) head.push((length & 0x7f) | 0x80);
  return Buffer.concat([Buffer.from([...head, length]), content]);
}
