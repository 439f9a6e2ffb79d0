import type { ByteWriter } from "../http/byte-writer.ts";
import type { Peer } from "../http/exchange.ts";
import type { SpanKind } from "../trace/span.ts";

/** What is the same for many spans. */
export interface SpanProperties {
  readonly kind: SpanKind;
  /** Lower case. */
  readonly name: string;
  readonly tags: Readonly<Record<string, string>>;
  /** The service that was called. */
  readonly remoteService?: string;
}

/**
 * A template as bytes: whole spans with gaps, into which each span writes what is its own. One copy and a few patches
 * take 120 ns, to put a span together from its parts 300 (`bench/span.ts`).
 */
export class SpanTemplate {
  /** Made when first used, by what the ids are: the format numbers them. */
  readonly variants: (Uint8Array | undefined)[] = [undefined, undefined, undefined, undefined];

  constructor(
    /** What is the same, in the format. */
    readonly shape: Uint8Array,
  ) {}
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
  template = new SpanTemplate(new Uint8Array(0));
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
  write(out: ByteWriter, span: SpanRecord): void;
  /** Ends the batch and gives the body: a view that is valid as long as the writer is not used again. */
  end(out: ByteWriter): Uint8Array;
  render(template: SpanProperties): SpanTemplate;
  /** The caller's address, where the format has a place for it. */
  renderPeer(peer: Peer | null): Uint8Array;
}

/** Service and port in whose name spans are recorded. */
export interface SpanSource {
  readonly serviceName: string;
  readonly port: number;
}

const SECOND = 1_000_000;
/** The first moment that has 16 digits, in 2001: a clock that is further behind is taken for this. */
const FIRST_MICROS = 1e15;
/** Digits of microseconds since 1970. */
export const MICROS_DIGITS = 16;
const SECONDS_DIGITS = 10;
const known = { second: -1, digits: Buffer.alloc(SECONDS_DIGITS) };

/** Microseconds since 1970 in 16 digits from `at` on. The seconds are spelled once a second. */
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

/** Copies digits of an id. */
export function patchDigits(
  bytes: Uint8Array,
  at: number,
  ids: Uint8Array,
  start: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) bytes[at + i] = ids[start + i] as number;
}
