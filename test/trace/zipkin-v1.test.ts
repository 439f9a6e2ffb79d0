import { expect, test } from "bun:test";
import type { Span } from "../../src/trace/span.ts";
import { convertZipkinV1, isZipkinV1 } from "../../src/trace/zipkin-v1.ts";
import converted from "../fixtures/trace-files/zipkin-v1-converted.json" with { type: "json" };

const FRONT = { serviceName: "front", ipv4: "10.0.0.1" };
const BACK = { serviceName: "back", port: 8080 };
const IDS = { traceId: "000000000000000a", id: "000000000000000b" };

function convert(fields: object): Span[] {
  return convertZipkinV1({ ...IDS, ...fields }, 0);
}

test("a span that client and server share becomes a CLIENT and a shared SERVER span", () => {
  const [client, server] = convert({
    name: "GET",
    annotations: [
      { timestamp: 100, value: "cs", endpoint: FRONT },
      { timestamp: 120, value: "sr", endpoint: BACK },
      { timestamp: 180, value: "ss", endpoint: BACK },
      { timestamp: 200, value: "cr", endpoint: FRONT },
    ],
    binaryAnnotations: [{ key: "http.path", value: "/x", endpoint: BACK }],
  });
  expect(client).toEqual({
    ...IDS,
    kind: "CLIENT",
    name: "get",
    timestamp: 100,
    duration: 100,
    localEndpoint: FRONT,
  });
  expect(server).toEqual({
    ...IDS,
    kind: "SERVER",
    name: "get",
    timestamp: 120,
    duration: 60,
    localEndpoint: BACK,
    tags: { "http.path": "/x" },
    shared: true,
  });
});

test("the address annotation sa becomes the remote endpoint of the client", () => {
  const spans = convert({
    annotations: [{ timestamp: 100, value: "cs", endpoint: FRONT }],
    binaryAnnotations: [{ key: "sa", value: true, endpoint: BACK }],
  });
  expect(spans).toEqual([
    { ...IDS, kind: "CLIENT", timestamp: 100, localEndpoint: FRONT, remoteEndpoint: BACK },
  ]);
});

test("Zipkin 3.6.1 converts 60 random spans to the same v2 spans", () => {
  // Recorded: each v1 span was posted to /api/v1/spans, and its trace was read back.
  for (const { v1, v2 } of converted)
    expect(sortSpans(convertZipkinV1(v1, 0))).toEqual(sortSpans(v2 as unknown as Span[]));
});

function sortSpans(spans: readonly Span[]): Span[] {
  return spans.toSorted((a, b) => (JSON.stringify(a, sortKeys) < JSON.stringify(b, sortKeys) ? -1 : 1));
}

function sortKeys(_: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  return Object.fromEntries(Object.entries(value).sort());
}

test("binary annotations or an annotation with an endpoint identify a v1 span", () => {
  expect(isZipkinV1({ binaryAnnotations: [] })).toBe(true);
  expect(isZipkinV1({ annotations: [{ timestamp: 1, value: "cs", endpoint: null }] })).toBe(true);
  expect(isZipkinV1({ annotations: [{ timestamp: 1, value: "cs" }], tags: {} })).toBe(false);
});

test.each([
  [{ annotations: [{ value: "cs" }] }, "Incomplete annotation at $[3].annotations[0]"],
  [{ annotations: {} }, "Expected a list but found an object at $[3].annotations"],
  [{ binaryAnnotations: [{ value: "x" }] }, "No key at $[3].binaryAnnotations[0]"],
  [{ id: "" }, "id is empty at $[3].id"],
])("the malformed v1 span %j is refused with its place", (fields, message) => {
  expect(() => convertZipkinV1({ ...IDS, ...fields }, 3)).toThrow(message);
});
