// https://zipkin.io/zipkin-api/#/default/post_spans
import type { ByteWriter } from "../http/byte-writer.ts";
import type { Peer } from "../http/exchange.ts";
import {
  type SpanFormat,
  type SpanRecord,
  type SpanSource,
  type SpanTemplate,
  writeMicros,
} from "./span-format.ts";

const OPEN = Buffer.from("[");
const CLOSE = Buffer.from("]");
const FIRST = Buffer.from('{"traceId":"');
const NEXT = Buffer.from(',{"traceId":"');
const ID = Buffer.from('","id":"');
const PARENT = Buffer.from('","parentId":"');
const TIMESTAMP = Buffer.from(',"timestamp":');
const DURATION = Buffer.from(',"duration":');
const DEBUG = Buffer.from(',"debug":true');
const END = Buffer.from("}");
const NOTHING = Buffer.alloc(0);

/**
 * A list of Zipkin v2 spans as JSON:
 *
 *     {"traceId":"T","id":"I","parentId":"P" TEMPLATE ,"timestamp":N,"duration":D PEER }
 */
export class ZipkinFormat implements SpanFormat {
  readonly #localEndpoint: { readonly serviceName: string; readonly port: number };

  constructor({ serviceName, port }: SpanSource) {
    this.#localEndpoint = { serviceName: serviceName.toLowerCase(), port };
  }

  begin(out: ByteWriter): void {
    out.copy(OPEN);
  }

  write(out: ByteWriter, span: SpanRecord, isFirst: boolean): void {
    const { ids, idAt, parentAt } = span;
    out.copy(isFirst ? FIRST : NEXT);
    out.copy(ids, span.traceAt, span.traceEnd);
    out.copy(ID);
    out.copy(ids, idAt, idAt + 16);
    if (parentAt !== -1) {
      out.copy(PARENT);
      out.copy(ids, parentAt, parentAt + 16);
    }
    out.copy(span.template);
    out.copy(TIMESTAMP);
    writeMicros(out, span.startMicros);
    out.copy(DURATION);
    out.decimal(span.durationMicros);
    out.copy(span.peer);
    if (span.isDebug) out.copy(DEBUG);
    out.copy(END);
  }

  end(out: ByteWriter): Uint8Array {
    out.copy(CLOSE);
    return out.bytes.subarray(0, out.length);
  }

  render({ kind, name, tags, remoteService }: SpanTemplate): Uint8Array {
    const fields = JSON.stringify({
      kind,
      name,
      localEndpoint: this.#localEndpoint,
      ...(remoteService === undefined ? {} : { remoteEndpoint: { serviceName: remoteService } }),
      tags,
    });
    return Buffer.from(`",${fields.slice(1, -1)}`);
  }

  renderPeer(peer: Peer | null): Uint8Array {
    if (peer === null) return NOTHING;
    const { address, port } = peer;
    // What the system calls an IPv4 address when a socket serves both.
    const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
    const endpoint = plain.includes(":") ? { ipv6: plain, port } : { ipv4: plain, port };
    return Buffer.from(`,"remoteEndpoint":${JSON.stringify(endpoint)}`);
  }
}
