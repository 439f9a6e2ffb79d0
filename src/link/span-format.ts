import type { ByteWriter } from "../http/byte-writer.ts";
import type { Peer } from "../http/exchange.ts";
import type { SpanKind } from "../trace/span.ts";

/** The part of a span that many spans share. */
export interface SpanProperties {
  readonly kind: SpanKind;
  /** Lower case. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The name of the callee. */
  readonly remoteService?: string;
}

/**
 * A template of encoded spans: whole spans with gaps, into which each span writes its own values. One copy and a few
 * patches take 120 ns; putting a span together from its parts takes 300 ns (`bench/span.ts`).
 */
export class SpanTemplate {
  /** Created on first use; the format numbers variants by which ids a span has. */
  readonly variants: (Uint8Array | undefined)[] = [undefined, undefined, undefined, undefined];

  constructor(
    /** The encoding of the shared part. */
    readonly shape: Uint8Array,
  ) {}
}

/**
 * A span to be written; one object per link, filled again for each span. Ids are hex digits, and offsets refer to
 * `ids`.
 */
export class SpanRecord {
  ids: Uint8Array = new Uint8Array(0);
  /** Start of the 16 or 32 digits that end at {@link traceEnd}. */
  traceAt = 0;
  traceEnd = 0;
  idAt = 0;
  /** -1 for a root. */
  parentAt = -1;
  /** From {@link SpanFormat.render}. */
  template = new SpanTemplate(new Uint8Array(0));
  /** Microseconds since 1970. */
  startMicros = 0;
  /** Microseconds, at least 1. */
  durationMicros = 1;
  /** From {@link SpanFormat.renderPeer}. */
  peer: Uint8Array = new Uint8Array(0);
  isDebug = false;
}

/** A wire format that writes spans one after the other into the body of a request. */
export interface SpanFormat {
  /** Begins a batch in an empty writer. */
  begin(out: ByteWriter): void;
  write(out: ByteWriter, span: SpanRecord): void;
  /** Ends the batch and returns the body: a view that is valid until the writer is used again. */
  end(out: ByteWriter): Uint8Array;
  render(template: SpanProperties): SpanTemplate;
  /** The caller's address, if the format has a field for it. */
  renderPeer(peer: Peer | null): Uint8Array;
}

/** The service and port that record spans. */
export interface SpanSource {
  readonly serviceName: string;
  readonly port: number;
}

const SECOND = 1_000_000;
/** The first time with 16 digits, in 2001. Earlier times are replaced by it. */
const FIRST_MICROS = 1e15;
/** Digits of microseconds since 1970. */
export const MICROS_DIGITS = 16;
const SECONDS_DIGITS = 10;
const known = { second: -1, digits: Buffer.alloc(SECONDS_DIGITS) };

/** Writes 16 digits of microseconds since 1970 at `at`. The digits of the seconds are computed once per second. */
export function patchMicros(bytes: Uint8Array, at: number, micros: number): void {
  const bounded = Math.max(FIRST_MICROS, micros);
  const second = Math.floor(bounded / SECOND);
  if (second !== known.second) {
    known.second = second;
    known.digits.write(String(second));
  }
  for (let i = 0; i < SECONDS_DIGITS; i++) bytes[at + i] = known.digits[i] as number;
  let rest = (bounded - second * SECOND) | 0;
  for (let i = at + MICROS_DIGITS - 1; i >= at + SECONDS_DIGITS; i--) {
    const quotient = (rest / 10) | 0;
    bytes[i] = 48 + rest - quotient * 10;
    rest = quotient;
  }
}

/** Copies the digits of an id. */
export function patchDigits(
  bytes: Uint8Array,
  at: number,
  ids: Uint8Array,
  start: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) bytes[at + i] = ids[start + i] as number;
}
