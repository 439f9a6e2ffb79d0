import { expect, test } from "bun:test";
import fc from "fast-check";
import { encodeOtlpJson, encodeOtlpProtobuf } from "../../src/trace/otlp.ts";
import { readLocalEndpoint, readRemoteEndpoint, tagEndpoints } from "../../src/trace/otlp-endpoints.ts";
import { decodeOtlpJson } from "../../src/trace/otlp-json-decode.ts";
import { decodeOtlpProtobuf } from "../../src/trace/otlp-protobuf-decode.ts";
import type { Span, SpanKind } from "../../src/trace/span.ts";
import { decodeZipkinJson } from "../../src/trace/zipkin-json.ts";
import { hexId } from "../collector/spans.ts";

const endpoints = fc.record(
  {
    ipv4: fc.ipV4(),
    ipv6: fc.ipV6(),
    port: fc.oneof(fc.integer({ min: 1, max: 65_535 }), fc.constantFrom(1, 80, 65_535)),
  },
  { requiredKeys: [] },
);
const kinds = fc.constantFrom<SpanKind | undefined>("CLIENT", "SERVER", "PRODUCER", "CONSUMER", undefined);
/** Tags that describe an endpoint by themselves. */
const tags = fc.dictionary(
  fc.constantFrom("http.method", "server.port", "network.peer.port", "network.local.port", "net.peer.port"),
  fc.constantFrom("GET", "80", "0", "65536", ""),
);
const traces = fc
  .array(
    fc.record(
      {
        kind: kinds,
        tags,
        local: endpoints,
        remote: endpoints,
        remoteName: fc.constantFrom("", "b", "10.0.0.1x"),
      },
      { requiredKeys: ["kind", "tags", "local", "remote", "remoteName"] },
    ),
    { minLength: 1, maxLength: 5 },
  )
  .map((some) => {
    const json = some.map(({ kind, tags: own, local, remote, remoteName }, index) => ({
      traceId: hexId(1),
      id: hexId(index + 1),
      kind,
      timestamp: 1_700_000_000_000_000,
      duration: 5,
      localEndpoint: { serviceName: "a", ...local },
      remoteEndpoint: { serviceName: remoteName, ...remote },
      tags: own,
    }));
    return decodeZipkinJson(JSON.stringify(json));
  });

const RESOURCE = { attributes: { "service.name": "a" }, scope: { name: "", version: "" } };

test.each([
  ["JSON", (spans: Span[]) => decodeOtlpJson(Buffer.from(encodeOtlpJson(spans, RESOURCE)))],
  ["protobuf", (spans: Span[]) => decodeOtlpProtobuf(encodeOtlpProtobuf(spans, RESOURCE))],
])("Zipkin JSON -> OTLP %s -> Zipkin keeps names, addresses and ports of both ends", (_, pass) => {
  fc.assert(
    fc.property(traces, (before) => {
      const after = [...pass(before.map(tagEndpoints))].flatMap(({ spans }) => spans);
      expect(after).toHaveLength(before.length);
      for (const [index, { localEndpoint, remoteEndpoint, tags: own = {} }] of before.entries()) {
        const span = after[index];
        const isTold = ["server.port", "network.peer.port", "net.peer.port"].some((key) => key in own);
        expect(span?.localEndpoint).toMatchObject(oneAddress(localEndpoint) ?? {});
        if (!("network.local.port" in own)) expect(span?.localEndpoint?.port).toBe(localEndpoint?.port);
        if (isTold && remoteEndpoint?.port === undefined) continue;
        expect(span?.remoteEndpoint).toEqual(oneAddress(remoteEndpoint));
      }
    }),
    { numRuns: 1000 },
  );
});

/** OTLP has one attribute for addresses of both families. */
function oneAddress(endpoint: Span["localEndpoint"]): Span["localEndpoint"] {
  if (endpoint?.ipv4 === undefined) return endpoint;
  const { ipv6: _, ...rest } = endpoint;
  return rest;
}

const read = (kind: SpanKind | undefined, attributes: Record<string, string | number>) =>
  readRemoteEndpoint(kind, new Map(Object.entries(attributes)));

test.each<[SpanKind | undefined, Record<string, string | number>, object | undefined]>([
  [
    "CLIENT",
    { "peer.service": "B", "server.address": "c", "server.port": 80 },
    { serviceName: "b", port: 80 },
  ],
  ["CLIENT", { "server.address": "c", "net.peer.name": "d" }, { serviceName: "c" }],
  [
    "PRODUCER",
    { "net.peer.name": "d", "network.peer.address": "10.0.0.1" },
    { serviceName: "d", ipv4: "10.0.0.1" },
  ],
  ["CLIENT", { "network.peer.address": "::1", "server.port": 80 }, { ipv6: "::1", port: 80 }],
  ["CLIENT", { "network.peer.address": "::ffff:10.0.0.1" }, { ipv4: "10.0.0.1" }],
  ["CLIENT", { "network.peer.address": "/tmp/my.sock" }, { serviceName: "/tmp/my.sock" }],
  ["CLIENT", { "server.address": "10.0.0.1", "network.peer.address": "10.0.0.2" }, { ipv4: "10.0.0.1" }],
  ["CLIENT", { "server.port": 80, "network.peer.port": 3128 }, { port: 3128 }],
  // In a SERVER span these describe the server itself.
  ["SERVER", { "server.address": "a", "server.port": 80, "net.peer.name": "x" }, undefined],
  ["SERVER", { "network.peer.address": "/tmp/my.sock" }, undefined],
  [
    "SERVER",
    { "network.peer.address": "10.0.0.1", "network.peer.port": 5000 },
    { ipv4: "10.0.0.1", port: 5000 },
  ],
  // As OpenTelemetry's Collector writes spans that it received as Zipkin.
  [
    "SERVER",
    { "peer.service": "b", "net.peer.ip": "10.0.0.1", "net.peer.port": "5000" },
    { serviceName: "b", ipv4: "10.0.0.1", port: 5000 },
  ],
  [undefined, { "network.peer.port": "x" }, undefined],
])("%s with %j has the remote endpoint %j", (kind, attributes, endpoint) => {
  expect(read(kind, attributes)).toEqual(endpoint as Span["remoteEndpoint"]);
});

test("the local endpoint has the address and port of the connection, or those that OpenTelemetry's Collector writes", () => {
  const local = (attributes: Record<string, string | number>) =>
    readLocalEndpoint("a", new Map(Object.entries(attributes)));
  expect(local({})).toEqual({ serviceName: "a" });
  expect(local({ "network.local.address": "10.0.0.1", "network.local.port": 80 })).toEqual({
    serviceName: "a",
    ipv4: "10.0.0.1",
    port: 80,
  });
  expect(local({ "net.host.ip": "::1", "net.host.port": 80 })).toEqual({
    serviceName: "a",
    ipv6: "::1",
    port: 80,
  });
});
