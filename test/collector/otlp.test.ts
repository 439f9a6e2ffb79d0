import { afterAll, beforeAll, expect, test } from "bun:test";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import type { Span } from "../../src/trace/span.ts";
import { makeChain, newTraceId } from "./spans.ts";

let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0, otlpPort: 0 });
});
afterAll(() => collector.stop());

const JSON_TYPE = "application/json";
const PROTOBUF = "application/x-protobuf";
const post = (body: Bun.BodyInit, type: string, url = collector.url) =>
  fetch(`${url}/v1/traces`, { method: "POST", body, headers: { "Content-Type": type } });
const spanOf = (fields: object) => ({
  traceId: "0AF7651916CD43DD8448EB211C80319C",
  spanId: "b7ad6b7169203331",
  name: "GET /",
  kind: 3,
  startTimeUnixNano: "1700000000000000000",
  endTimeUnixNano: 1_700_000_000_250_000_100,
  ...fields,
});
const requestOf = (...spans: object[]) => {
  const attributes = [
    { key: "service.name", value: { stringValue: "Front" } },
    { key: "host.id", value: { intValue: "7" } },
  ];
  return JSON.stringify({ resourceSpans: [{ resource: { attributes }, scopeSpans: [{ spans }] }] });
};

test.each([
  [JSON_TYPE, encodeOtlpJson],
  [PROTOBUF, encodeOtlpProtobuf],
])("what links send as OTLP %s is stored as what they would send as Zipkin", async (type, encode) => {
  const serviceName = "chain-link-service-0";
  const traceId = `00000000000000aa${newTraceId()}`;
  const spans = makeChain(traceId, 3, Date.now()).filter(
    (it) => it.localEndpoint?.serviceName === serviceName,
  );
  const resource = {
    attributes: { "service.name": serviceName },
    scope: { name: "chain-link", version: "1" },
  };
  for (const url of [collector.url, collector.otlpUrl ?? ""]) {
    const response = await post(encode(spans, resource) as Bun.BodyInit, type, url);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe(type);
    expect(await response.text()).toBe(type === JSON_TYPE ? "{}" : "");
  }
  const scope = { "otel.scope.name": "chain-link", "otel.scope.version": "1" };
  const stored = collector.store.trace(traceId) as Span[];
  expect(stored).toHaveLength(2);
  for (const [index, span] of spans.entries()) {
    const { name = "", timestamp = 0, duration = 0, tags } = span;
    expect(stored[index]).toMatchObject({
      id: span.id,
      name,
      timestamp,
      duration,
      tags: { ...tags, ...scope },
    });
  }
});

test("JSON: ids in any case, integers as text or numbers, everything mapped", async () => {
  const span = spanOf({
    parentSpanId: "0000000000000001",
    unknown: [1],
    attributes: [
      { key: "peer.service", value: { stringValue: "Back" } },
      { key: "server.port", value: { intValue: 80 } },
      { key: "list", value: { arrayValue: { values: [{ boolValue: true }, { doubleValue: 1.5 }] } } },
      { key: "error", value: { boolValue: false } },
    ],
    events: [
      { timeUnixNano: "1700000000000001000", name: "plain" },
      {
        timeUnixNano: "1700000000000002000",
        name: "rich",
        attributes: [{ key: "a", value: { intValue: "1" } }],
      },
    ],
    status: { code: 2, message: "broken" },
  });
  expect((await post(requestOf(span), JSON_TYPE)).status).toBe(200);
  expect(collector.store.trace("0af7651916cd43dd8448eb211c80319c")).toEqual([
    {
      traceId: "0af7651916cd43dd8448eb211c80319c",
      id: "b7ad6b7169203331",
      parentId: "0000000000000001",
      kind: "CLIENT",
      name: "get /",
      timestamp: 1_700_000_000_000_000,
      duration: 250_000,
      localEndpoint: { serviceName: "front" },
      remoteEndpoint: { serviceName: "back", port: 80 },
      annotations: [
        { timestamp: 1_700_000_000_000_001, value: "plain" },
        { timestamp: 1_700_000_000_000_002, value: '{"rich":{"a":"1"}}' },
      ],
      tags: {
        error: "broken",
        "host.id": "7",
        list: "[true,1.5]",
        "otel.status_code": "ERROR",
        "peer.service": "Back",
        "server.port": "80",
      },
    },
  ]);
});

test("spans without valid ids are rejected, the others stored, and the answer says so", async () => {
  const good = spanOf({ traceId: `${newTraceId()}${newTraceId()}` });
  const response = await post(requestOf(spanOf({ traceId: "12" }), good, spanOf({ spanId: "" })), JSON_TYPE);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({
    partialSuccess: { rejectedSpans: "2", errorMessage: "a trace id is not 16 bytes" },
  });
  expect(collector.store.trace(good.traceId)).toHaveLength(1);
});

test.each([
  ["{", JSON_TYPE],
  ["[]", JSON_TYPE],
  ['{"resourceSpans":5}', JSON_TYPE],
  ['{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":5}]}]}]}', JSON_TYPE],
])("%s is 400 with a Status", async (body, type) => {
  const response = await post(body, type);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 3, message: expect.any(String) });
});

test("protobuf that is cut is 400 with a Status; other types are 415", async () => {
  const whole = encodeOtlpProtobuf(makeChain(newTraceId(), 2, 1), {
    attributes: { "service.name": "a" },
    scope: { name: "", version: "" },
  });
  const response = await post(whole.slice(0, -3), PROTOBUF);
  expect(response.status).toBe(400);
  expect(response.headers.get("content-type")).toBe(PROTOBUF);
  expect((await response.bytes()).subarray(0, 2)).toEqual(new Uint8Array([8, 3]));
  expect((await post("x", "text/plain")).status).toBe(415);
});
