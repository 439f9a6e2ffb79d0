// W3C Trace Context Level 2: https://www.w3.org/TR/trace-context-2/
// B3, multi and single: https://github.com/openzipkin/b3-propagation
import { parseTracestate } from "./tracestate.ts";

/** A format in which trace context travels; the names are those of `OTEL_PROPAGATORS`. */
export type Propagator = "tracecontext" | "baggage" | "b3" | "b3multi";

export const PROPAGATORS = [
  "tracecontext",
  "baggage",
  "b3",
  "b3multi",
] as const satisfies readonly Propagator[];

/** The original's formats: an entry sends these if the request has no context and none are configured. */
export const DEFAULT_PROPAGATORS: readonly Propagator[] = ["tracecontext", "baggage"];

/**
 * The header with which a link that began a new trace returns its id.
 * https://www.w3.org/TR/trace-context-2/#trace-context-http-response-headers-format
 */
export const TRACE_RESPONSE_HEADER = "traceresponse";

/** Carries the same value; for gateways that remove W3C's headers. */
export const BEGUN_TRACE_HEADER = "chain-link-trace";

/** Tag of a CLIENT span whose callee answered that it began another trace; its value is `broken`. */
export const BROKEN_CONTEXT_TAG = "chain_link.context";

/** The bit of `trace-flags` that means that the caller may have recorded its span. */
export const SAMPLED_FLAG = 0x01;

/** The bit of `trace-flags` that means that at least the last 7 bytes of the trace id are random. */
export const RANDOM_FLAG = 0x02;

/** The two digits of `trace-flags`. Reserved bits are always zero. */
export function formatTraceFlags(sampled: boolean, random: boolean): string {
  return `0${(sampled ? SAMPLED_FLAG : 0) | (random ? RANDOM_FLAG : 0)}`;
}

/** The {@link TRACE_RESPONSE_HEADER} of a trace that began here, without the optional span id. */
export function formatTraceResponse(traceId: string, sampled: boolean): string {
  return `00-${traceId.padStart(32, "0")}--${formatTraceFlags(sampled, true)}`;
}

/** The trace context of an incoming request. */
export interface IncomingContext {
  /** Lower-case hex, 32 digits, or 16 from a B3 caller that sent 16; `null` without valid ids. */
  readonly traceId: string | null;
  /** The caller's span, 16 digits. */
  readonly parentId: string | null;
  /** The format that the ids came in. */
  readonly source: Propagator | null;
  /** The caller's sampling decision; `null`: the link decides. */
  readonly sampled: boolean | null;
  /** W3C's random flag of {@link traceId}. B3 has no such flag, so trace ids from B3 count as not random. */
  readonly random: boolean;
  /** B3's debug flag: sampled, and never dropped along the way. */
  readonly debug: boolean;
  /** The list members that came in, in order, separated by commas. */
  readonly tracestate: string | null;
  /** The formats that came in; the link rewrites and sends all of them. */
  readonly forms: readonly Propagator[];
}

/** The context that a link sends with its calls. */
export interface OutgoingContext {
  readonly traceId: string;
  /** Span of the call, 16 digits. */
  readonly spanId: string;
  /** Parent of `spanId`, for B3; `null` for a root. */
  readonly parentId: string | null;
  readonly sampled: boolean;
  readonly random: boolean;
  readonly debug: boolean;
  readonly tracestate: string | null;
}

/** Reads a header by its lower-case name. */
export type HeaderReader = (name: string) => string | null;

/** A later version may append fields. A comma means that several header lines were joined, which is malformed. */
const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[^,]*)?$/;
const B3_SINGLE = /^([0-9a-f]{16}|[0-9a-f]{32})-([0-9a-f]{16})(?:-([01d])(?:-[0-9a-f]{16})?)?$/i;
const TRACE_ID = /^(?:[0-9a-f]{16}|[0-9a-f]{32})$/i;
const SPAN_ID = /^[0-9a-f]{16}$/i;
const ZEROS = /^0+$/;

interface ParsedIds {
  readonly traceId: string;
  readonly parentId: string;
}

interface ParsedForm {
  readonly form: Propagator;
  readonly ids: ParsedIds | null;
  readonly sampled: boolean | null;
  readonly random: boolean;
  readonly debug: boolean;
}

/**
 * Reads the context of a request. W3C has precedence over `b3`, and `b3` over `X-B3-*`; a malformed header counts as absent.
 * If no format has ids, the first one with a sampling decision determines it.
 */
export function extractContext(header: HeaderReader): IncomingContext {
  const traceparent = header("traceparent");
  const b3 = header("b3");
  const b3TraceId = header("x-b3-traceid");
  const b3Sampled = header("x-b3-sampled");
  const b3Flags = header("x-b3-flags");
  const parsed: ParsedForm[] = [];
  const forms: Propagator[] = [];
  const add = (form: Propagator, context: ParsedForm | null) => {
    forms.push(form);
    if (context !== null) parsed.push(context);
  };
  if (traceparent !== null) add("tracecontext", parseW3c(traceparent));
  if (b3 !== null) add("b3", parseB3Single(b3));
  if (b3TraceId !== null || b3Sampled !== null || b3Flags !== null)
    add("b3multi", parseB3Multi(b3TraceId, header("x-b3-spanid"), b3Sampled, b3Flags));

  const chosen = parsed.find(({ ids }) => ids !== null) ?? parsed.find(({ sampled }) => sampled !== null);
  const isW3c = chosen?.form === "tracecontext";
  return {
    traceId: chosen?.ids?.traceId ?? null,
    parentId: chosen?.ids?.parentId ?? null,
    source: chosen?.ids ? chosen.form : null,
    sampled: chosen?.sampled ?? null,
    random: chosen?.random ?? false,
    // W3C has no debug flag, so B3 headers may add it to the same trace or without ids, but never to an unsampled trace.
    debug: chosen?.sampled === true && parsed.some((form) => form.debug && isSameTrace(form, chosen)),
    // Without a valid traceparent, tracestate must be ignored (Trace Context, 3.3).
    tracestate: isW3c ? parseTracestate(header("tracestate")) : null,
    forms,
  };
}

function isSameTrace(one: ParsedForm, other: ParsedForm): boolean {
  return one.ids === null || one.ids.traceId.padStart(32, "0") === other.ids?.traceId.padStart(32, "0");
}

/** The headers of an outgoing call in the given formats. The caller itself passes on `baggage` unchanged. */
export function injectContext(
  context: OutgoingContext,
  forms: readonly Propagator[],
): [name: string, value: string][] {
  const headers: [string, string][] = [];
  for (const form of forms) {
    if (form === "tracecontext") {
      const flags = formatTraceFlags(context.sampled, context.random);
      headers.push(["traceparent", `00-${context.traceId.padStart(32, "0")}-${context.spanId}-${flags}`]);
      if (context.tracestate !== null && context.tracestate !== "")
        headers.push(["tracestate", context.tracestate]);
    } else if (form === "b3") {
      const parent = context.parentId === null ? "" : `-${context.parentId}`;
      headers.push(["b3", `${context.traceId}-${context.spanId}-${decisionLetter(context)}${parent}`]);
    } else if (form === "b3multi") {
      headers.push(["X-B3-TraceId", context.traceId], ["X-B3-SpanId", context.spanId]);
      if (context.parentId !== null) headers.push(["X-B3-ParentSpanId", context.parentId]);
      // Debug implies sampled; B3 asks not to send both.
      headers.push(context.debug ? ["X-B3-Flags", "1"] : ["X-B3-Sampled", context.sampled ? "1" : "0"]);
    }
  }
  return headers;
}

function decisionLetter(context: OutgoingContext): string {
  if (context.debug) return "d";
  return context.sampled ? "1" : "0";
}

function parseW3c(text: string): ParsedForm | null {
  const parent = parseTraceparent(text);
  if (parent === null) return null;
  const { sampled, random } = parent;
  return { form: "tracecontext", ids: parent, sampled, random, debug: false };
}

interface Traceparent extends ParsedIds {
  readonly sampled: boolean;
  readonly random: boolean;
}

/** `null` if it is malformed. https://www.w3.org/TR/trace-context-2/#traceparent-header */
export function parseTraceparent(text: string): Traceparent | null {
  const match = TRACEPARENT.exec(trimBlanks(text));
  if (match === null) return null;
  const [, version = "", traceId = "", parentId = "", digits = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  const flags = Number.parseInt(digits, 16);
  return {
    traceId,
    parentId,
    sampled: (flags & SAMPLED_FLAG) !== 0,
    random: (flags & RANDOM_FLAG) !== 0,
  };
}

function parseB3Single(text: string): ParsedForm | null {
  const value = trimBlanks(text);
  if (value === "0" || value === "1" || value === "d") {
    return { form: "b3", ids: null, sampled: value !== "0", random: false, debug: value === "d" };
  }
  const match = B3_SINGLE.exec(value);
  if (match === null) return null;
  const ids = toIds(match[1] ?? "", match[2] ?? "");
  if (ids === null) return null;
  const decision = match[3]?.toLowerCase();
  const sampled = decision === undefined ? null : decision !== "0";
  return { form: "b3", ids, sampled, random: false, debug: decision === "d" };
}

function parseB3Multi(
  traceId: string | null,
  spanId: string | null,
  sampledText: string | null,
  flags: string | null,
): ParsedForm {
  const debug = trimBlanks(flags ?? "") === "1";
  const decision = trimBlanks(sampledText ?? "").toLowerCase();
  const sampled =
    decision === "1" || decision === "true" ? true : decision === "0" || decision === "false" ? false : null;
  const trace = trimBlanks(traceId ?? "");
  const span = trimBlanks(spanId ?? "");
  const ids = TRACE_ID.test(trace) && SPAN_ID.test(span) ? toIds(trace, span) : null;
  return { form: "b3multi", ids, sampled: debug ? true : sampled, random: false, debug };
}

function toIds(traceId: string, parentId: string): ParsedIds | null {
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  return { traceId: traceId.toLowerCase(), parentId: parentId.toLowerCase() };
}

/** Trims HTTP's optional whitespace. `trim()` would also remove characters that make a value malformed. */
function trimBlanks(text: string): string {
  return text.replace(/^[ \t]+|[ \t]+$/g, "");
}
