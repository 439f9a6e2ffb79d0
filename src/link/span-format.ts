import type { ByteWriter } from "../http/byte-writer.ts";
import type { Peer } from "../http/exchange.ts";
import type { SpanKind } from "../trace/span.ts";

/** What is the same for many spans: it is rendered once and copied into each. */
export interface SpanTemplate {
  readonly kind: SpanKind;
  /** Lower case. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The service that was called. */
  readonly remoteService?: string;
}

/**
 * The span that is being written: one object for a link, filled anew for each span. Ids are hex digits, positions are
 * those in `ids`.
 */
export class SpanRecord {
  ids: Uint8Array = new Uint8Array(0);
  /** Of 16 or 32 digits that end at {@link traceEnd}. */
  traceAt = 0;
  traceEnd = 0;
  idAt = 0;
  /** -1: a root. */
  parentAt = -1;
  /** Of {@link SpanFormat.render}. */
  template: Uint8Array = new Uint8Array(0);
  /** Microseconds since 1970. */
  startMicros = 0;
  /** Microseconds, at least 1. */
  durationMicros = 1;
  /** Of {@link SpanFormat.renderPeer}. */
  peer: Uint8Array = new Uint8Array(0);
  isDebug = false;
}

/** A wire format of spans: they are written as bytes, one behind the other, into what becomes the body of a request. */
export interface SpanFormat {
  /** Begins a batch in an empty writer. */
  begin(out: ByteWriter): void;
  write(out: ByteWriter, span: SpanRecord, isFirst: boolean): void;
  /** Ends the batch and gives the body: a view that is valid as long as the writer is not used again. */
  end(out: ByteWriter): Uint8Array;
  render(template: SpanTemplate): Uint8Array;
  /** The caller's address, where the format has a place for it. */
  renderPeer(peer: Peer | null): Uint8Array;
}

/** Service and port in whose name spans are recorded. */
export interface SpanSource {
  readonly serviceName: string;
  readonly port: number;
}

const SECOND = 1_000_000;
const secondDigits = { second: -1, digits: Buffer.alloc(0) };

/** Decimal digits of microseconds since 1970, at least a second. The seconds are spelled once a second. */
export function writeMicros(out: ByteWriter, micros: number): void {
  const second = Math.floor(micros / SECOND);
  if (second !== secondDigits.second) {
    secondDigits.second = second;
    secondDigits.digits = Buffer.from(String(second));
  }
  out.copy(secondDigits.digits);
  out.reserve(6);
  let rest = (micros - second * SECOND) | 0;
  const { bytes, length } = out;
  for (let at = length + 5; at >= length; at--) {
    const quotient = (rest / 10) | 0;
    bytes[at] = 48 + rest - quotient * 10;
    rest = quotient;
  }
  out.length = length + 6;
}
