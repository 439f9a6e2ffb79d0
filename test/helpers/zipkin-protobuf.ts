import { ProtobufWriter } from "../../src/trace/protobuf.ts";
import type { Endpoint, Span } from "../../src/trace/span.ts";

const KINDS = { CLIENT: 1, SERVER: 2, PRODUCER: 3, CONSUMER: 4 } as const;

/** Encodes spans like a client: https://github.com/openzipkin/zipkin-api/blob/master/zipkin.proto */
export function encodeZipkinProtobuf(spans: readonly Span[]): Uint8Array<ArrayBuffer> {
  const list = new ProtobufWriter();
  for (const span of spans) list.nested(1, (message) => writeSpan(message, span));
  return list.finish();
}

function writeSpan(message: ProtobufWriter, span: Span): void {
  message.hex(1, span.traceId);
  if (span.parentId !== undefined) message.hex(2, span.parentId);
  message.hex(3, span.id);
  if (span.kind !== undefined) message.varint(4, KINDS[span.kind]);
  if (span.name !== undefined) message.text(5, span.name);
  if (span.timestamp !== undefined) message.fixed64(6, BigInt(span.timestamp));
  if (span.duration !== undefined) message.varint(7, span.duration);
  const { localEndpoint, remoteEndpoint } = span;
  if (localEndpoint !== undefined) message.nested(8, (it) => writeEndpoint(it, localEndpoint));
  if (remoteEndpoint !== undefined) message.nested(9, (it) => writeEndpoint(it, remoteEndpoint));
  for (const { timestamp, value } of span.annotations ?? [])
    message.nested(10, (it) => it.fixed64(1, BigInt(timestamp)).text(2, value));
  for (const [key, value] of Object.entries(span.tags ?? {}))
    message.nested(11, (it) => it.text(1, key).text(2, value));
  if (span.debug) message.varint(12, 1);
  if (span.shared) message.varint(13, 1);
}

function writeEndpoint(message: ProtobufWriter, { serviceName, ipv4, port }: Endpoint): void {
  if (serviceName !== undefined) message.text(1, serviceName);
  if (ipv4 !== undefined) message.hex(2, Buffer.from(ipv4.split(".").map(Number)).toString("hex"));
  if (port !== undefined) message.varint(4, port);
}
