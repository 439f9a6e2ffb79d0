// https://zipkin.io/zipkin-api/#/default/post_spans
import type { ByteWriter } from "../http/byte-writer.ts";
import type { Peer } from "../http/exchange.ts";
import {
  MICROS_DIGITS,
  patchDigits,
  patchMicros,
  type SpanFormat,
  type SpanProperties,
  type SpanRecord,
  type SpanSource,
  SpanTemplate,
} from "./span-format.ts";

const START = ',{"traceId":"';
const ID = '","id":"';
const PARENT = '","parentId":"';
const TIMESTAMP = '","timestamp":';
const LONG_TRACE = 32;
const SHORT_TRACE = 16;
const ID_DIGITS = 16;
/** Bits in the number of a variant. */
const HAS_PARENT = 1;
const IS_SHORT = 2;

const OPEN = 0x5b;
const CLOSE = Buffer.from("]");
const DEBUG = Buffer.from(',"debug":true');
const END = Buffer.from("}");

/**
 * A list of Zipkin v2 spans as JSON. The comma before the first one is overwritten by the opening bracket.
 *
 *     ,{"traceId":"T","id":"I","parentId":"P","timestamp":N SHAPE ,"duration": | D PEER }
 */
export class ZipkinFormat implements SpanFormat {
  readonly #localEndpoint: { readonly serviceName: string; readonly port: number };

  constructor({ serviceName, port }: SpanSource) {
    this.#localEndpoint = { serviceName: serviceName.toLowerCase(), port };
  }

  begin(): void {}

  write(out: ByteWriter, span: SpanRecord): void {
    const { ids, parentAt, template } = span;
    const traceDigits = span.traceEnd - span.traceAt;
    const variant = (parentAt === -1 ? 0 : HAS_PARENT) | (traceDigits === LONG_TRACE ? 0 : IS_SHORT);
    let at = out.length + START.length;
    out.copy(template.variants[variant] ?? addVariant(template, variant));
    const { bytes } = out;
    patchDigits(bytes, at, ids, span.traceAt, traceDigits);
    at += traceDigits + ID.length;
    patchDigits(bytes, at, ids, span.idAt, ID_DIGITS);
    at += ID_DIGITS;
    if (parentAt !== -1) {
      at += PARENT.length;
      patchDigits(bytes, at, ids, parentAt, ID_DIGITS);
      at += ID_DIGITS;
    }
    patchMicros(bytes, at + TIMESTAMP.length, span.startMicros);
    out.decimal(span.durationMicros);
    if (span.isDebug) out.copy(DEBUG);
    out.copy(span.peer);
  }

  end(out: ByteWriter): Uint8Array {
    out.bytes[0] = OPEN;
    out.copy(CLOSE);
    return out.bytes.subarray(0, out.length);
  }

  render({ kind, name, tags, remoteService }: SpanProperties): SpanTemplate {
    const fields = JSON.stringify({
      kind,
      name,
      localEndpoint: this.#localEndpoint,
      ...(remoteService === undefined ? {} : { remoteEndpoint: { serviceName: remoteService } }),
      tags,
    });
    return new SpanTemplate(Buffer.from(`,${fields.slice(1, -1)},"duration":`));
  }

  /** Renders the caller's address and the end of the span. */
  renderPeer(peer: Peer | null): Uint8Array {
    if (peer === null) return END;
    const { address, port } = peer;
    // The system's notation for an IPv4 address on a dual-stack socket.
    const plain = address.startsWith("::ffff:") ? address.slice(7) : address;
    const endpoint = plain.includes(":") ? { ipv6: plain, port } : { ipv4: plain, port };
    return Buffer.from(`,"remoteEndpoint":${JSON.stringify(endpoint)}}`);
  }
}

function addVariant(template: SpanTemplate, variant: number): Uint8Array {
  const trace = " ".repeat((variant & IS_SHORT) === 0 ? LONG_TRACE : SHORT_TRACE);
  const id = " ".repeat(ID_DIGITS);
  const parent = (variant & HAS_PARENT) === 0 ? "" : PARENT + id;
  const time = TIMESTAMP + " ".repeat(MICROS_DIGITS);
  const made = Buffer.concat([Buffer.from(START + trace + ID + id + parent + time), template.shape]);
  template.variants[variant] = made;
  return made;
}
