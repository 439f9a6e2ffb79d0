import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Span as OtelSpan, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { ZipkinExporter } from "@opentelemetry/exporter-zipkin";
import { JsonTraceSerializer, ProtobufTraceSerializer } from "@opentelemetry/otlp-transformer";
import { resourceFromAttributes } from "@opentelemetry/resources";
import {
  BatchSpanProcessor,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type SpanProcessor,
  TracerProvider,
} from "@opentelemetry/sdk-trace";
import { Annotation, BatchRecorder, ExplicitContext, jsonEncoder, Tracer } from "zipkin";
import { HttpLogger } from "zipkin-transport-http";
import { type Collector, startCollector } from "../../src/collector/server.ts";
import type { Span } from "../../src/trace/span.ts";
import { eventually } from "../helpers/cli.ts";
import { makeChain, newTraceId } from "./spans.ts";

let collector: Collector;
beforeAll(() => {
  collector = startCollector({ host: "127.0.0.1", port: 0, otlpPort: 0 });
});
afterAll(() => collector.stop());

async function getJson(path: string): Promise<unknown> {
  const response = await fetch(collector.url + path);
  expect(response.status).toBe(200);
  return response.json();
}

/** Makes one span of each kind below a SERVER span with OpenTelemetry's SDK. */
async function recordSpans(service: string, processor: SpanProcessor): Promise<OtelSpan[]> {
  const resource = resourceFromAttributes({ "service.name": service });
  const provider = new TracerProvider({ resource, spanProcessors: [processor] });
  const tracer = provider.getTracer("test", "1");
  const server = tracer.startSpan("GET /Cart", { kind: SpanKind.SERVER }, ROOT_CONTEXT);
  const below = trace.setSpan(ROOT_CONTEXT, server);
  const attributes = { "http.request.method": "GET", "peer.service": "Stock", attempt: 2 };
  const client = tracer.startSpan("GET", { kind: SpanKind.CLIENT, attributes }, below);
  client.setStatus({ code: SpanStatusCode.ERROR, message: "no <answer>" });
  const spans = [
    server,
    client,
    tracer.startSpan("compute", { kind: SpanKind.INTERNAL }, below),
    tracer.startSpan("send", { kind: SpanKind.PRODUCER }, below),
    tracer.startSpan("receive", { kind: SpanKind.CONSUMER }, below),
  ];
  for (const span of spans.toReversed()) span.end();
  await provider.forceFlush();
  return spans;
}

/** Checks that the spans are found by ID and by search, unchanged. */
async function expectStored(
  service: string,
  made: readonly OtelSpan[],
  remote: string | undefined,
): Promise<void> {
  const traceId = made[0]?.spanContext().traceId;
  const stored = (await getJson(`/api/v2/trace/${traceId}`)) as Span[];
  const root = made[0]?.spanContext().spanId;
  const expected = [
    ["get /cart", "SERVER"],
    ["get", "CLIENT"],
    ["compute", undefined],
    ["send", "PRODUCER"],
    ["receive", "CONSUMER"],
  ] as const;
  expect(stored).toHaveLength(expected.length);
  for (const [index, [name, kind]] of expected.entries()) {
    const id = made[index]?.spanContext().spanId;
    const span = stored.find((it) => it.id === id);
    expect(span).toMatchObject({ traceId, name, localEndpoint: { serviceName: service } });
    expect(span?.kind).toBe(kind);
    expect(span?.parentId).toBe(index === 0 ? undefined : root);
    expect(Math.abs((span?.timestamp ?? 0) / 1000 - Date.now())).toBeLessThan(600_000);
  }
  const client = stored.find(({ kind }) => kind === "CLIENT");
  expect(client?.remoteEndpoint?.serviceName).toBe(remote);
  expect(client?.tags).toMatchObject({
    "http.request.method": "GET",
    "peer.service": "Stock",
    attempt: "2",
    "otel.status_code": "ERROR",
    error: "no <answer>",
  });
  const byRemote = remote === undefined ? [] : [`&remoteServiceName=${remote}`];
  for (const query of ["", "&spanName=compute", "&annotationQuery=error and attempt=2", ...byRemote]) {
    const found = (await getJson(`/api/v2/traces?serviceName=${service}${query}`)) as Span[][];
    expect(found.map(([span]) => span?.traceId)).toEqual([traceId]);
  }
}

describe("OpenTelemetry's SDK", () => {
  test.each([
    ["span by span", SimpleSpanProcessor],
    ["in batches", BatchSpanProcessor],
  ])("OpenTelemetry's SDK delivers its spans with its Zipkin exporter, %s", async (_, Processor) => {
    const service = `zipkin-${newTraceId()}`;
    const exporter = new ZipkinExporter({ url: `${collector.url}/api/v2/spans` });
    const processor = new Processor({ exporter });
    // It has only a tag for the remote side.
    await expectStored(service, await recordSpans(service, processor), undefined);
    await processor.shutdown();
  });

  test.each([
    ["application/json", JsonTraceSerializer],
    ["application/x-protobuf", ProtobufTraceSerializer],
  ])("OpenTelemetry's SDK delivers its spans as OTLP %s, on both ports", async (type, serializer) => {
    for (const url of [collector.url, collector.otlpUrl]) {
      const service = `otlp-${newTraceId()}`;
      const exporter = new InMemorySpanExporter();
      const made = await recordSpans(service, new SimpleSpanProcessor({ exporter }));
      const body = serializer.serializeRequest(exporter.getFinishedSpans()) as Uint8Array<ArrayBuffer>;
      const headers = { "Content-Type": type };
      const response = await fetch(`${url}/v1/traces`, { method: "POST", body, headers });
      expect(response.status).toBe(200);
      expect(
        serializer.deserializeResponse(await response.bytes()).partialSuccess ?? undefined,
      ).toBeUndefined();
      await expectStored(service, made, "stock");
    }
  });
});

const curl = Bun.which("curl");
if (curl === null) process.stderr.write("skipped: the tests with curl, which is not here\n");

describe.skipIf(curl === null)("curl", () => {
  const run = async (args: readonly string[], input = "") => {
    const child = Bun.spawn([curl ?? "", "-sS", "--noproxy", "*", "-m", "60", ...args], {
      stdin: new Blob([input]),
      stdout: "pipe",
      stderr: "inherit",
    });
    const text = await child.stdout.text();
    expect(await child.exited).toBe(0);
    return text;
  };

  test.each([
    ["in one body", []],
    ["in chunks", ["-H", "Transfer-Encoding: chunked"]],
    ["after Expect: 100-continue", ["-H", "Expect: 100-continue"]],
  ])("curl posts spans %s and reads them back", async (_, headers) => {
    // More than a socket takes in one write.
    const chain = makeChain(newTraceId(), 200, Date.now() - 1000);
    const status = ["-o", "/dev/null", "-w", "%{http_code}"];
    const types = ["-H", "Content-Type: application/json"];
    const body = JSON.stringify(chain);
    const url = `${collector.url}/api/v2/spans`;
    expect(await run([...status, ...types, ...headers, "--data-binary", "@-", url], body)).toBe("202");
    const text = await run(["--compressed", `${collector.url}/api/v2/trace/${chain[0]?.traceId}`]);
    const stored = JSON.parse(text) as Span[];
    const byId = (a: Span, b: Span) => a.id.localeCompare(b.id);
    expect(stored.toSorted(byId)).toEqual(chain.toSorted(byId));
  });
});

/** Records a server that was called with B3 headers and calls another one, like the instrumentations of zipkin-js. */
test.each([
  ["JSON v2", jsonEncoder.JSON_V2, undefined],
  ["JSON v2, long trace ids", jsonEncoder.JSON_V2, true],
])("zipkin-js, %s", async (_title, encoder, traceId128Bit) => {
  const service = `zipkin-js-${newTraceId()}`;
  const logger = new HttpLogger({
    endpoint: `${collector.url}/api/v2/spans`,
    jsonEncoder: encoder,
    httpInterval: 1,
  });
  const tracer = new Tracer({
    ctxImpl: new ExplicitContext(),
    recorder: new BatchRecorder({ logger }),
    localServiceName: service,
    ...(traceId128Bit && { traceId128Bit }),
  });
  const server = tracer.createRootId();
  tracer.scoped(() => {
    tracer.setId(server);
    tracer.recordServiceName(service);
    tracer.recordRpc("GET");
    tracer.recordBinary("http.path", "/Cart");
    tracer.recordAnnotation(new Annotation.ServerRecv());
    tracer.setId(tracer.createChildId());
    tracer.recordServiceName(service);
    tracer.recordAnnotation(new Annotation.ServerAddr({ serviceName: "stock" }));
    tracer.recordAnnotation(new Annotation.ClientSend());
    tracer.recordMessage("retry");
    tracer.recordAnnotation(new Annotation.ClientRecv());
    tracer.setId(server);
    tracer.recordAnnotation(new Annotation.ServerSend());
  });
  const stored = await eventually(async () => {
    const spans = collector.store.trace(server.traceId);
    return spans?.length === 2 ? spans : undefined;
  });
  expect(server.traceId).toHaveLength(traceId128Bit ? 32 : 16);
  const byKind = new Map(stored.map((span) => [span.kind, span]));
  expect(byKind.get("SERVER")).toMatchObject({
    id: server.spanId,
    name: "get",
    tags: { "http.path": "/Cart" },
  });
  expect(byKind.get("CLIENT")).toMatchObject({
    parentId: server.spanId,
    remoteEndpoint: { serviceName: "stock" },
    annotations: [{ value: "retry" }],
  });
  const found = (await getJson(`/api/v2/traces?serviceName=${service}&annotationQuery=retry`)) as Span[][];
  expect(found.map(([span]) => span?.traceId)).toEqual([server.traceId]);
});
