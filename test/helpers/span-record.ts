import { type SpanFormat, SpanRecord } from "../../src/link/span-format.ts";
import type { Span } from "../../src/trace/span.ts";

/**
 * A span as a link passes it to its reporter. The format adds the local endpoint; the remote one is the caller's
 * address.
 */
export function recordOf(span: Span, format: SpanFormat): SpanRecord {
  const record = new SpanRecord();
  const traceId = span.traceId;
  record.ids = Buffer.from(`${traceId.padStart(32, "0")}${span.id}${span.parentId ?? ""}`);
  record.traceAt = 32 - traceId.length;
  record.traceEnd = 32;
  record.idAt = 32;
  record.parentAt = span.parentId === undefined ? -1 : 48;
  const { kind = "SERVER", name = "", tags = {}, remoteEndpoint } = span;
  const remoteService = remoteEndpoint?.serviceName;
  record.template = format.render({
    kind,
    name,
    tags,
    ...(remoteService === undefined ? {} : { remoteService }),
  });
  record.startMicros = span.timestamp ?? 0;
  record.durationMicros = span.duration ?? 1;
  const address = remoteEndpoint?.ipv4 ?? remoteEndpoint?.ipv6;
  record.peer = format.renderPeer(
    address === undefined ? null : { address, port: remoteEndpoint?.port ?? 0 },
  );
  record.isDebug = span.debug === true;
  return record;
}
