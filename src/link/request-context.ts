import type { ByteWriter } from "../http/byte-writer.ts";
import { equalsAt, lowerBytes } from "../http/characters.ts";
import type { Exchange } from "../http/exchange.ts";
import type { Fields } from "../http/fields.ts";
import { CAPTURE_HEADER } from "../trace/capture.ts";
import {
  BEGUN_TRACE_HEADER,
  extractContext,
  formatTraceResponse,
  type IncomingContext,
  injectContext,
  type Propagator,
  RANDOM_FLAG,
  SAMPLED_FLAG,
  TRACE_RESPONSE_HEADER,
} from "../trace/context.ts";
import { readDigit, readWord, writeWord } from "../trace/hex.ts";
import { randomWord } from "../trace/ids.ts";
import { isOfAnyRun } from "../trace/run.ts";
import type { Sampler } from "./sampler.ts";
import { SpanId } from "./span-id.ts";

/** Offsets of ids in {@link RequestContext.ids}. */
const TRACE = 0;
const TRACE_LOW = 16;
export const TRACE_END = 32;
const PARENT = 32;
export const SERVER = 48;
export const CALL = 64;
const IDS_BYTES = 80;

const POSITION = lowerBytes("x-current-service");
const TRACEPARENT = lowerBytes("traceparent");
const BAGGAGE = lowerBytes("baggage");
const REQUEST_ID = lowerBytes("x-request-id");
const CAPTURE = lowerBytes(CAPTURE_HEADER);
/** Headers that are passed on unchanged. */
export const PASSED = [BAGGAGE, REQUEST_ID, CAPTURE];
/** `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits. */
const TRACEPARENT_BYTES = 55;
const TRACEPARENT_NAME = Buffer.from("traceparent: 00-");
/** Indexed by the two bits of the flags. */
const TRACEPARENT_ENDS = ["-00\r\n", "-01\r\n", "-02\r\n", "-03\r\n"].map((text) => Buffer.from(text));
const TRACE_RESPONSE_NAMES = [TRACE_RESPONSE_HEADER, BEGUN_TRACE_HEADER].map((name) =>
  Buffer.from(`${name}: `),
);
const BEGUN_TRACE_NAMES = TRACE_RESPONSE_NAMES.slice(1);
const LINE_END = Buffer.from("\r\n");
const DASH = 0x2d;
const ZERO = 0x30;

/**
 * The trace context of one request, in bytes: its ids as hex digits, and how it is passed on. A single `traceparent`, which
 * nearly all requests carry, is read and written in place; all other formats are handled by `src/trace/context.ts`.
 *
 *     ids:  trace id (32) | parent id (16) | id of the SERVER span (16) | id of the current CLIENT span (16)
 */
export class RequestContext {
  readonly ids = new Uint8Array(IDS_BYTES);
  readonly server = new SpanId();
  /** The low half of the trace id, which may be all that a gateway preserves. */
  readonly traceLow = new SpanId();
  /** The parent id as received, even if {@link parentAt} is -1; meaningless if no context came in. */
  readonly parent = new SpanId();
  isSampled = false;
  /** The last 7 bytes of the trace id are random, according to whoever began the trace. */
  isRandom = false;
  isDebug = false;
  /** No context came in, so the trace begins here. */
  isStart = false;
  /** Offset of the parent id, or -1. */
  parentAt = -1;
  /** Offset of the trace id, which may be shorter in B3. */
  traceAt = TRACE;
  /** Index of the header that names the receiver; -1 if there is none. */
  positionIndex = -1;
  /** The request asks its SERVER span to record the incoming context headers. */
  isCaptured = false;
  /** The request has one of the {@link PASSED} headers. */
  #hasPassed = false;
  #traceparentIndex = -1;
  /** The request has context headers other than a single `traceparent`. */
  #hasOther = false;
  /** The context to pass on, if it is not just a `traceparent`. */
  #general: { readonly incoming: IncomingContext; readonly forms: readonly Propagator[] } | null = null;

  /** Reads the context of a request, or begins a new trace. */
  start(exchange: Exchange, propagators: readonly Propagator[], sampler: Sampler): void {
    const { fields } = exchange.head;
    this.#findHeaders(fields);
    this.isStart = false;
    this.isDebug = false;
    this.traceAt = TRACE;
    this.#general = null;
    if (this.#hasOther || this.#traceparentIndex === -1 || !this.#readTraceparent(fields)) {
      this.#startGeneral(exchange, propagators, sampler);
    }
    this.server.renew(this.ids, SERVER);
  }

  /** The trace id in hex digits, for logs. */
  get traceId(): string {
    return Buffer.from(this.ids.buffer).toString("latin1", this.traceAt, TRACE_END);
  }

  /** Writes the header lines of a call: its context in all outgoing formats, and the headers to pass on. */
  writeTo(out: ByteWriter, fields: Fields, callId: Uint8Array): void {
    if (this.#general === null) {
      out.copy(TRACEPARENT_NAME);
      out.copy(this.ids, TRACE, TRACE_END);
      out.reserve(1);
      out.bytes[out.length++] = DASH;
      if (this.isSampled) out.copy(callId, 0, 16);
      else out.copy(this.ids, SERVER, SERVER + 16);
      const flags = (this.isSampled ? SAMPLED_FLAG : 0) | (this.isRandom ? RANDOM_FLAG : 0);
      out.copy(TRACEPARENT_ENDS[flags] as Buffer);
    } else {
      this.#writeGeneral(out, callId);
    }
    if (this.#hasPassed) copyFields(out, fields, PASSED);
  }

  /** Writes the response header that names the trace this link began. */
  writeTraceResponse(out: ByteWriter): void {
    this.#writeTraceAs(out, TRACE_RESPONSE_NAMES);
  }

  /** Writes into an answer which trace this link joined, so that its caller notices where that is another one. */
  writeTrace(out: ByteWriter): void {
    this.#writeTraceAs(out, BEGUN_TRACE_NAMES);
  }

  #writeTraceAs(out: ByteWriter, names: readonly Uint8Array[]): void {
    const value = formatTraceResponse(this.traceId, this.isSampled);
    for (const name of names) {
      out.copy(name);
      out.latin1(value);
      out.copy(LINE_END);
    }
  }

  /** Whether a callee's `traceresponse` names a trace other than this one. */
  isOtherTrace(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < 3 + TRACE_END) return true;
    for (let i = 0; i < TRACE_END; i++) if (bytes[start + 3 + i] !== this.ids[i]) return true;
    return bytes[start + 3 + TRACE_END] !== DASH;
  }

  /** Finds all headers in one pass over the names; their lengths rule out nearly all. */
  #findHeaders(fields: Fields): void {
    this.positionIndex = -1;
    this.#traceparentIndex = -1;
    this.isCaptured = false;
    this.#hasPassed = false;
    this.#hasOther = false;
    const { positions, bytes, count } = fields;
    for (let i = 0; i < count; i++) {
      const start = positions[i * 4] as number;
      switch ((positions[i * 4 + 1] as number) - start) {
        case 2:
          // `b3`, or another two-letter name, which is never used.
          this.#hasOther = true;
          break;
        case 7:
          if (equalsAt(bytes, start, BAGGAGE)) this.#hasPassed = true;
          break;
        case 10:
          // `tracestate` and `x-b3-flags`; `user-agent` and `connection` are common names of the same length.
          if (isTraceName(bytes[start])) this.#hasOther = true;
          break;
        case 11:
          if (!equalsAt(bytes, start, TRACEPARENT)) break;
          // A duplicate is malformed, which the general reader will find.
          if (this.#traceparentIndex !== -1) this.#hasOther = true;
          this.#traceparentIndex = i;
          break;
        case 12:
          if (equalsAt(bytes, start, REQUEST_ID)) this.#hasPassed = true;
          else if (isTraceName(bytes[start])) this.#hasOther = true;
          break;
        case 18:
          if (!equalsAt(bytes, start, CAPTURE)) break;
          this.isCaptured = true;
          this.#hasPassed = true;
          break;
        case 17:
          if (this.positionIndex === -1 && equalsAt(bytes, start, POSITION)) this.positionIndex = i;
          break;
        default:
      }
    }
  }

  /** False if it is malformed, or of a later version. */
  #readTraceparent(fields: Fields): boolean {
    const { bytes } = fields;
    const at = fields.valueStart(this.#traceparentIndex);
    if (fields.valueEnd(this.#traceparentIndex) - at !== TRACEPARENT_BYTES) return false;
    if (bytes[at] !== ZERO || bytes[at + 1] !== ZERO || bytes[at + 2] !== DASH) return false;
    if (bytes[at + 35] !== DASH || bytes[at + 52] !== DASH) return false;
    const trace0 = readWord(bytes, at + 3);
    const trace1 = readWord(bytes, at + 11);
    const low0 = readWord(bytes, at + 19);
    const low1 = readWord(bytes, at + 27);
    const parent0 = readWord(bytes, at + 36);
    const parent1 = readWord(bytes, at + 44);
    const flags = readDigit(bytes, at + 53) | readDigit(bytes, at + 54);
    if (trace0 < 0 || trace1 < 0 || low0 < 0 || low1 < 0 || parent0 < 0 || parent1 < 0 || flags < 0)
      return false;
    if ((trace0 | trace1 | low0 | low1) === 0 || (parent0 | parent1) === 0) return false;
    const { ids } = this;
    for (let i = 0; i < 32; i++) ids[TRACE + i] = bytes[at + 3 + i] as number;
    for (let i = 0; i < 16; i++) ids[PARENT + i] = bytes[at + 36 + i] as number;
    // A load generator records no span: it sends the low half of the trace id as parent, and this link records the root.
    // Brave's root spans have such ids, too, but do not belong to a run.
    const isRoot = parent0 === low0 && parent1 === low1 && isOfAnyRun(trace0, trace1, low0, low1);
    this.parentAt = isRoot ? -1 : PARENT;
    this.parent.take(parent0, parent1);
    this.traceLow.take(low0, low1);
    const lowFlags = readDigit(bytes, at + 54);
    this.isSampled = (lowFlags & SAMPLED_FLAG) !== 0;
    this.isRandom = (lowFlags & RANDOM_FLAG) !== 0;
    return true;
  }

  #startGeneral(exchange: Exchange, propagators: readonly Propagator[], sampler: Sampler): void {
    const incoming = extractContext(exchange.header);
    const { ids } = this;
    if (incoming.traceId === null) {
      // Never all zeros; the last 7 bytes are uniform, as the random flag promises.
      writeWord(ids, TRACE, randomWord() || 1);
      for (let at = TRACE + 8; at < TRACE_END; at += 8) writeWord(ids, at, randomWord());
    } else {
      this.traceAt = TRACE_END - incoming.traceId.length;
      writeText(ids, TRACE, incoming.traceId.padStart(32, "0"));
    }
    this.traceLow.take(readWord(ids, TRACE_LOW), readWord(ids, TRACE_LOW + 8));
    this.isStart = incoming.traceId === null;
    this.isSampled = incoming.sampled ?? sampler(readWord(ids, TRACE_LOW), readWord(ids, TRACE_LOW + 8));
    this.isRandom = this.isStart || incoming.random;
    this.isDebug = incoming.debug;
    this.parentAt = -1;
    if (incoming.parentId !== null) {
      writeText(ids, PARENT, incoming.parentId);
      this.parent.take(readWord(ids, PARENT), readWord(ids, PARENT + 8));
      if (!this.#isGenerated(incoming)) this.parentAt = PARENT;
    }
    const forms = incoming.forms.length === 0 ? propagators : incoming.forms;
    const isPlain =
      incoming.tracestate === null &&
      forms.includes("tracecontext") &&
      !forms.includes("b3") &&
      !forms.includes("b3multi");
    if (!isPlain) this.#general = { incoming, forms };
  }

  /** Whether a load generator sent it; those never use B3. */
  #isGenerated({ traceId, parentId, source }: IncomingContext): boolean {
    if (source !== "tracecontext" || traceId?.slice(-16) !== parentId) return false;
    const { ids } = this;
    return isOfAnyRun(
      readWord(ids, TRACE),
      readWord(ids, TRACE + 8),
      readWord(ids, TRACE_LOW),
      readWord(ids, TRACE_LOW + 8),
    );
  }

  #writeGeneral(out: ByteWriter, callId: Uint8Array): void {
    if (this.#general === null) return;
    const { incoming, forms } = this.#general;
    const server = textOf(this.ids, SERVER);
    const parent = this.parentAt === -1 ? null : textOf(this.ids, this.parentAt);
    const lines = injectContext(
      {
        traceId: this.traceId,
        spanId: this.isSampled ? textOf(callId, 0) : server,
        parentId: this.isSampled ? server : parent,
        sampled: this.isSampled,
        random: this.isRandom,
        debug: this.isDebug,
        tracestate: incoming.tracestate,
      },
      forms,
    );
    for (const [name, value] of lines) out.latin1(`${name}: ${value}\r\n`);
  }
}

/** Whether a name begins with `t` or `x`, ignoring case. */
function isTraceName(first: number | undefined): boolean {
  const lower = (first ?? 0) | 0x20;
  return lower === 0x74 || lower === 0x78;
}

/** Copies the header lines with these names unchanged. */
export function copyFields(out: ByteWriter, fields: Fields, names: readonly Uint8Array[]): void {
  for (const name of names) {
    for (let i = fields.find(name); i !== -1; i = fields.find(name, i + 1)) {
      out.copy(fields.bytes, fields.positions[i * 4] as number, fields.positions[i * 4 + 1] as number);
      out.latin1(": ");
      out.copy(fields.bytes, fields.valueStart(i), fields.valueEnd(i));
      out.copy(LINE_END);
    }
  }
}

function writeText(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}

function textOf(ids: Uint8Array, at: number): string {
  return String.fromCharCode(...ids.subarray(at, at + 16));
}
