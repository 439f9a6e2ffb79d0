// W3C: https://www.w3.org/TR/trace-context/, https://www.w3.org/TR/baggage/
// B3: https://github.com/openzipkin/b3-propagation
import { CAPTURE_HEADER, type CapturedHeader } from "../../trace/capture.ts";
import { newSpanId, newTraceId } from "../../trace/ids.ts";

/** What a request asks about being recorded; `open` leaves it to the entry. */
type Decision = "sampled" | "not-sampled" | "open";

/** One request in one form. Trace ids have 32 digits. */
export interface Probe {
  readonly form: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The trace that must go on; `null` where the entry has to begin one. */
  readonly traceId: string | null;
  /** The span id that was sent, the parent of the entry's span. */
  readonly parentId: string | null;
  /** Another trace that is named, too, and must not go on. */
  readonly otherTraceId: string | null;
  readonly decision: Decision;
  readonly isDebug: boolean;
  /** Headers that have to arrive, besides what makes the trace go on. */
  readonly carried: readonly CapturedHeader[];
}

interface Ids {
  readonly trace: string;
  readonly low: string;
  readonly span: string;
  readonly other: string;
}

interface Form {
  readonly name: string;
  readonly headers: (ids: Ids) => Readonly<Record<string, string>>;
  /** @default "sampled" */
  readonly decision?: Decision;
  readonly isDebug?: boolean;
  /** Only the low 64 bits of the trace id are sent. */
  readonly isShort?: boolean;
  /** No ids that are valid are sent. */
  readonly isStart?: boolean;
  /** A second trace is named. */
  readonly isContradicting?: boolean;
  readonly carried?: readonly CapturedHeader[];
}

const w3c = ({ trace, span }: Ids, flags = "01") => ({ traceparent: `00-${trace}-${span}-${flags}` });
const single = ({ trace, span }: Ids, end = "-1") => ({ b3: `${trace}-${span}${end}` });
const multi = ({ trace, span }: Ids, more: Readonly<Record<string, string>> = { "X-B3-Sampled": "1" }) => ({
  "X-B3-TraceId": trace,
  "X-B3-SpanId": span,
  ...more,
});

/** 32 members and 512 characters: what everybody must be able to pass on. */
const TRACESTATE = Array.from({ length: 32 }, (_, index) => `k${index + 10}=${"v".repeat(11)}`)
  .join(",")
  .padEnd(512, "v");
/** 64 members and 8,192 bytes, likewise. */
const BAGGAGE = Array.from({ length: 64 }, (_, index) => `k${index + 10}=${"v".repeat(123)}`)
  .join(",")
  .padEnd(8192, "v");

/** Forms in which trace context travels, as they should be and as they should not. */
const FORMS: readonly Form[] = [
  { name: "w3c", headers: (ids) => w3c(ids) },
  { name: "w3c not sampled", headers: (ids) => w3c(ids, "00"), decision: "not-sampled" },
  { name: "w3c random", headers: (ids) => w3c(ids, "03"), carried: ["traceparent"] },
  {
    name: "w3c later version",
    headers: ({ trace, span }) => ({ traceparent: `cc-${trace}-${span}-01-more` }),
  },
  {
    name: "w3c full tracestate",
    headers: (ids) => ({ ...w3c(ids), tracestate: TRACESTATE }),
    carried: ["traceparent", "tracestate"],
  },
  { name: "w3c full baggage", headers: (ids) => ({ ...w3c(ids), baggage: BAGGAGE }), carried: ["baggage"] },
  {
    name: "w3c x-request-id",
    headers: (ids) => ({ ...w3c(ids), "X-Request-Id": ids.other }),
    carried: ["x-request-id"],
  },
  { name: "b3 single", headers: (ids) => single(ids) },
  { name: "b3 single 64 bit", headers: (ids) => single({ ...ids, trace: ids.low }), isShort: true },
  { name: "b3 single debug", headers: (ids) => single(ids, "-d"), isDebug: true },
  { name: "b3 single not sampled", headers: (ids) => single(ids, "-0"), decision: "not-sampled" },
  { name: "b3 single undecided", headers: (ids) => single(ids, ""), decision: "open" },
  { name: "b3 single deny", headers: () => ({ b3: "0" }), decision: "not-sampled", isStart: true },
  { name: "b3 multi", headers: (ids) => multi(ids) },
  { name: "b3 multi 64 bit", headers: (ids) => multi({ ...ids, trace: ids.low }), isShort: true },
  { name: "b3 multi debug", headers: (ids) => multi(ids, { "X-B3-Flags": "1" }), isDebug: true },
  {
    name: "b3 multi not sampled",
    headers: (ids) => multi(ids, { "X-B3-Sampled": "0" }),
    decision: "not-sampled",
  },
  { name: "b3 multi undecided", headers: (ids) => multi(ids, {}), decision: "open" },
  {
    name: "b3 multi deny",
    headers: () => ({ "X-B3-Sampled": "0" }),
    decision: "not-sampled",
    isStart: true,
  },
  {
    name: "mixed",
    headers: (ids) => ({ ...w3c(ids), ...single(ids), ...multi(ids) }),
    carried: ["traceparent", "b3", "x-b3-traceid"],
  },
  {
    name: "contradicting ids",
    headers: (ids) => ({ ...w3c(ids), ...single({ ...ids, trace: ids.other }) }),
    isContradicting: true,
    carried: ["traceparent", "b3"],
  },
  {
    name: "contradicting decisions",
    headers: (ids) => ({ ...w3c(ids, "00"), ...single(ids), ...multi(ids) }),
    decision: "not-sampled",
  },
  {
    name: "malformed w3c",
    headers: ({ trace, span }) => ({ traceparent: `00-${trace.toUpperCase().slice(1)}-${span}-01` }),
    decision: "open",
    isStart: true,
  },
  { name: "malformed w3c, good b3", headers: (ids) => ({ traceparent: "00-0-0-01", ...single(ids) }) },
  {
    name: "malformed b3 single",
    headers: ({ trace }) => ({ b3: `${trace}-x-1` }),
    decision: "open",
    isStart: true,
  },
  {
    name: "malformed b3 multi",
    headers: ({ span }) => ({ "X-B3-TraceId": "0", "X-B3-SpanId": span }),
    decision: "open",
    isStart: true,
  },
];

/** A request in each form, with ids of its own. */
export function newProbes(): Probe[] {
  return FORMS.map((form) => {
    const trace = newTraceId();
    const ids = { trace, low: newSpanId(), span: newSpanId(), other: newTraceId() };
    const { isStart = false, isShort = false, isContradicting = false, carried = [] } = form;
    return {
      form: form.name,
      // Links then also answer with the trace that they joined.
      headers: { ...form.headers(ids), [CAPTURE_HEADER]: "1" },
      traceId: isStart ? null : isShort ? ids.low.padStart(32, "0") : trace,
      parentId: isStart ? null : ids.span,
      otherTraceId: isContradicting ? ids.other : null,
      decision: form.decision ?? "sampled",
      isDebug: form.isDebug ?? false,
      carried,
    };
  });
}
