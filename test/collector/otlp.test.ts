import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { deflateRawSync, deflateSync, gzipSync } from "node:zlib";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import type { Span } from "../../src/trace/span.ts";
import { hexId, makeChain, newTraceId } from "./spans.ts";

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

test("OTLP JSON may have ids in any case and integers as strings or numbers, and every field is mapped", async () => {
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
        { timestamp: 1_700_000_000_000_002, value: '{"rich":{"a":1}}' },
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

test("spans without valid ids are rejected, the others are stored, and the answer counts both", async () => {
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
])("%s is answered with 400 and a Status", async (body, type) => {
  const response = await post(body, type);
  expect(response.status).toBe(400);
  expect(await response.json()).toMatchObject({ code: 3, message: expect.any(String) });
});

test("truncated protobuf is answered with 400 and a Status, other content types with 415", async () => {
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

/** Errors and the code of `google.rpc.Status` that answers them, in the encoding of the request. */
describe("errors are a Status in the encoding of the request", () => {
  const send = (type: string, body: Bun.BodyInit, headers: Record<string, string> = {}) =>
    fetch(`${collector.url}/v1/traces`, {
      method: "POST",
      body,
      headers: { "Content-Type": type, ...headers },
    });
  const tooLarge = new Uint8Array(10 * 1024 * 1024 + 1);

  test.each([
    ["a malformed body", 400, "\u0001", {}],
    ["a body that is too large", 413, tooLarge, {}],
    ["an unknown content encoding", 415, "x", { "Content-Encoding": "br" }],
    ["a body that is not in its content encoding", 400, "x", { "Content-Encoding": "deflate" }],
  ])("%s", async (_, status, body, headers) => {
    const json = await send(JSON_TYPE, body, headers);
    expect([json.status, json.headers.get("content-type")]).toEqual([status, JSON_TYPE]);
    const { code, message } = (await json.json()) as { code: number; message: string };
    expect(code).toBe(3);
    const protobuf = await send(PROTOBUF, body, headers);
    expect([protobuf.status, protobuf.headers.get("content-type")]).toEqual([status, PROTOBUF]);
    const bytes = await protobuf.bytes();
    expect([bytes[0], bytes[1], bytes[2]]).toEqual([8, 3, 18]);
    expect(message.length).toBeGreaterThan(0);
  });

  test("an unknown content type is answered with 415 and a Status in JSON", async () => {
    const response = await send("text/plain", "x");
    expect(response.status).toBe(415);
    expect(await response.json()).toMatchObject({ code: 3 });
  });

  test("a lone surrogate in a message is replaced", async () => {
    const value = JSON.stringify(`${"x".repeat(38)}😀`);
    const response = await send(JSON_TYPE, requestOf(spanOf({ startTimeUnixNano: JSON.parse(value) })));
    expect(response.status).toBe(400);
    expect(await response.text()).not.toMatch(/\\ud83d/i);
  });
});

test.each([
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["deflate", deflateRawSync],
  ["identity", (bytes: Buffer) => bytes],
])("content encoding %s is accepted", async (encoding, encode) => {
  const traceId = `00000000000000aa${newTraceId()}`;
  for (const [path, body] of [
    ["/v1/traces", requestOf(spanOf({ traceId }))],
    ["/api/v2/spans", `[{"traceId":"${traceId}","id":"1"}]`],
  ] as const) {
    const response = await fetch(collector.url + path, {
      method: "POST",
      headers: { "Content-Type": JSON_TYPE, "Content-Encoding": encoding },
      body: new Uint8Array(encode(Buffer.from(body))),
    });
    expect([path, response.ok]).toEqual([path, true]);
  }
  expect(collector.store.trace(traceId)).toHaveLength(2);
});

describe("values without a field in Zipkin become tags", () => {
  const expected = {
    "w3c.tracestate": "a=1,b=2",
    "otel.dropped_attributes_count": "1",
    "otel.dropped_events_count": "2",
    "otel.dropped_links_count": "3",
    "otlp.link.0": `${"ab".repeat(16)}|${"cd".repeat(8)}|c=3|{"why":"batch"}|4`,
    "otlp.link.1": `${"00".repeat(15)}01|${"00".repeat(7)}01||{}|0`,
    "otel.scope.name": "scope",
    "build.id": "7",
  };

  test("from JSON", async () => {
    const traceId = `00000000000000aa${newTraceId()}`;
    const span = {
      traceId,
      spanId: hexId(1),
      traceState: "a=1,b=2",
      droppedAttributesCount: 1,
      droppedEventsCount: "2",
      droppedLinksCount: 3,
      links: [
        {
          traceId: "AB".repeat(16),
          spanId: "CD".repeat(8),
          traceState: "c=3",
          attributes: [{ key: "why", value: { stringValue: "batch" } }],
          droppedAttributesCount: 4,
        },
        { traceId: `${"00".repeat(15)}01`, spanId: hexId(1) },
      ],
      events: [{ timeUnixNano: "5000", name: "e", droppedAttributesCount: 6 }],
    };
    const scope = { name: "scope", attributes: [{ key: "build.id", value: { intValue: "7" } }] };
    const body = JSON.stringify({ resourceSpans: [{ scopeSpans: [{ scope, spans: [span] }] }] });
    expect((await post(body, JSON_TYPE)).status).toBe(200);
    const [stored] = collector.store.trace(traceId) as Span[];
    expect(stored?.tags).toEqual(expected);
    expect(stored?.annotations).toEqual([
      { timestamp: 5, value: '{"e":{"otel.dropped_attributes_count":6}}' },
    ]);
  });

  test("from protobuf", async () => {
    const traceId = `00000000000000aa${newTraceId()}`;
    const attribute = (key: string, write: (value: ProtobufWriter) => void) => (it: ProtobufWriter) =>
      it.text(1, key).nested(2, write);
    const body = new ProtobufWriter().nested(1, (resource) =>
      resource.nested(2, (scopeSpans) =>
        scopeSpans
          .nested(2, (span) =>
            span
              .hex(1, traceId)
              .hex(2, hexId(1))
              .text(3, "a=1,b=2")
              .varint(10, 1)
              .nested(11, (event) => event.fixed64(1, 5000n).text(2, "e").varint(4, 6))
              .varint(12, 2)
              .nested(13, (link) =>
                link
                  .hex(1, "ab".repeat(16))
                  .hex(2, "cd".repeat(8))
                  .text(3, "c=3")
                  .nested(
                    4,
                    attribute("why", (value) => value.text(1, "batch")),
                  )
                  .varint(5, 4),
              )
              .nested(13, (link) => link.hex(1, `${"00".repeat(15)}01`).hex(2, hexId(1)))
              .varint(14, 3),
          )
          // After its spans, which is allowed.
          .nested(1, (scope) =>
            scope.text(1, "scope").nested(
              3,
              attribute("build.id", (value) => value.varint(3, 7)),
            ),
          ),
      ),
    );
    expect((await post(body.finish(), PROTOBUF)).status).toBe(200);
    const [stored] = collector.store.trace(traceId) as Span[];
    expect(stored?.tags).toEqual(expected);
    expect(stored?.annotations).toEqual([
      { timestamp: 5, value: '{"e":{"otel.dropped_attributes_count":6}}' },
    ]);
  });
});
