// W3C Trace Context: https://www.w3.org/TR/trace-context/
// B3, multi and single: https://github.com/openzipkin/b3-propagation

/** A form in which trace context travels; the names are those of `OTEL_PROPAGATORS`. */
export type Propagator = "tracecontext" | "baggage" | "b3" | "b3multi";

export const PROPAGATORS = [
  "tracecontext",
  "baggage",
  "b3",
  "b3multi",
] as const satisfies readonly Propagator[];

/** What an entry sends on when nothing came in and nothing is configured: the original's. */
export const DEFAULT_PROPAGATORS: readonly Propagator[] = ["tracecontext", "baggage"];

/**
 * The header with which a link that had to begin a trace says which.
 * https://www.w3.org/TR/trace-context-2/#trace-context-http-response-headers-format
 */
export const TRACE_RESPONSE_HEADER = "traceresponse";

/** The value of {@link TRACE_RESPONSE_HEADER}, without a span id, which may be left out. */
export function formatTraceResponse(traceId: string, sampled: boolean): string {
  return `00-${traceId.padStart(32, "0")}--${sampled ? "01" : "00"}`;
}

/** What a request said about its trace. */
export interface IncomingContext {
  /** Lower-case hex, 32 digits, or 16 where a B3 caller sent 16; `null` when no valid ids came in. */
  readonly traceId: string | null;
  /** The caller's span, 16 digits. */
  readonly parentId: string | null;
  /** The form that the ids came in. */
  readonly source: Propagator | null;
  /** The caller's decision; `null` leaves it to us. */
  readonly sampled: boolean | null;
  /** B3's debug flag: sampled, and never dropped on the way. */
  readonly debug: boolean;
  readonly tracestate: string | null;
  /** The forms that came in; all of them leave rewritten. */
  readonly forms: readonly Propagator[];
}

/** The context that a link sends to those it calls. */
export interface OutgoingContext {
  readonly traceId: string;
  /** Span of the call, 16 digits. */
  readonly spanId: string;
  /** Parent of `spanId`, for B3; `null` for a root. */
  readonly parentId: string | null;
  readonly sampled: boolean;
  readonly debug: boolean;
  readonly tracestate: string | null;
}

/** Reads a header by its lower-case name. */
export type HeaderReader = (name: string) => string | null;

const TRACEPARENT = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;
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
  readonly debug: boolean;
}

/**
 * Takes the context from a request: W3C before `b3` before `X-B3-*`; a malformed form counts as absent. Where no form
 * has ids the first that says whether to sample decides.
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
  if (traceparent !== null) add("tracecontext", parseTraceparent(traceparent));
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
    // W3C has no word for it, so a B3 form may add it, of the same trace or without ids; what is not sampled stays so.
    debug: chosen?.sampled === true && parsed.some((form) => form.debug && isSameTrace(form, chosen)),
    // Without a valid traceparent a tracestate means nothing (Trace Context, 3.3).
    tracestate: isW3c ? readTracestate(header("tracestate")) : null,
    forms,
  };
}

function isSameTrace(one: ParsedForm, other: ParsedForm): boolean {
  return one.ids === null || one.ids.traceId.padStart(32, "0") === other.ids?.traceId.padStart(32, "0");
}

/** What cannot be a tracestate must not be passed on (Trace Context, 3.3.1.3): its characters are printable ASCII. */
function readTracestate(text: string | null): string | null {
  return text !== null && /^[\t\x20-\x7e]+$/.test(text) ? text : null;
}

/** The headers of one outgoing call in the given forms. `baggage` is passed on by the caller as it came. */
export function injectContext(
  context: OutgoingContext,
  forms: readonly Propagator[],
): [name: string, value: string][] {
  const headers: [string, string][] = [];
  for (const form of forms) {
    if (form === "tracecontext") {
      const flags = context.sampled ? "01" : "00";
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

function parseTraceparent(text: string): ParsedForm | null {
  const match = TRACEPARENT.exec(text.trim());
  if (match === null) return null;
  const [, version = "", traceId = "", parentId = "", flags = "", rest] = match;
  if (version === "ff" || (version === "00" && rest !== undefined)) return null;
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  const sampled = (Number.parseInt(flags, 16) & 1) === 1;
  return { form: "tracecontext", ids: { traceId, parentId }, sampled, debug: false };
}

function parseB3Single(text: string): ParsedForm | null {
  const value = text.trim();
  if (value === "0" || value === "1" || value === "d") {
    return { form: "b3", ids: null, sampled: value !== "0", debug: value === "d" };
  }
  const match = B3_SINGLE.exec(value);
  if (match === null) return null;
  const ids = toIds(match[1] ?? "", match[2] ?? "");
  if (ids === null) return null;
  const decision = match[3]?.toLowerCase();
  const sampled = decision === undefined ? null : decision !== "0";
  return { form: "b3", ids, sampled, debug: decision === "d" };
}

function parseB3Multi(
  traceId: string | null,
  spanId: string | null,
  sampledText: string | null,
  flags: string | null,
): ParsedForm {
  const debug = flags?.trim() === "1";
  const decision = sampledText?.trim().toLowerCase();
  const sampled =
    decision === "1" || decision === "true" ? true : decision === "0" || decision === "false" ? false : null;
  const valid =
    traceId !== null && spanId !== null && TRACE_ID.test(traceId.trim()) && SPAN_ID.test(spanId.trim());
  const ids = valid ? toIds(traceId.trim(), spanId.trim()) : null;
  return { form: "b3multi", ids, sampled: debug ? true : sampled, debug };
}

function toIds(traceId: string, parentId: string): ParsedIds | null {
  if (ZEROS.test(traceId) || ZEROS.test(parentId)) return null;
  return { traceId: traceId.toLowerCase(), parentId: parentId.toLowerCase() };
}
