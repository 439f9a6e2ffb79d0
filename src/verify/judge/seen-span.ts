import { type CapturedHeader, readCaptured } from "../../trace/capture.ts";
import { BROKEN_CONTEXT_TAG } from "../../trace/context.ts";
import type { LedgerSpan } from "../../trace/ledger.ts";
import type { Span } from "../../trace/span.ts";
import { findRecorder } from "./recorder.ts";

/** A span as a backend has it, cut to what is judged. */
export interface SeenSpan extends LedgerSpan {
  /** Lower case; empty when the backend has none. */
  readonly serviceName: string;
  /** The callee, lower case, where the span says it. */
  readonly remote: string | null;
  /** HTTP status of the answer; `null` where there was none, or the span does not say. */
  readonly status: number | null;
  /** What became of a call without an answer, as its link says it; absent where there was one, or nothing is said. */
  readonly failure?: string | undefined;
  /** The callee of the call said that it began another trace. @default false */
  readonly isContextBroken?: boolean;
  /** Which attempt of a call it is, from 0; `null` where the span does not say. */
  readonly attempt: number | null;
  /** Microseconds since 1970, 0 when unknown. */
  readonly startUs: number;
  readonly endUs: number;
  /** What recorded the span, where the span says that it was no link; absent for spans of links, and where nothing is said. */
  readonly recorder?: string | undefined;
  /** B3's debug flag; absent where the backend does not keep it. */
  readonly isDebug?: boolean;
  /** The context as it came in, where it was asked for and the link shows it. */
  readonly captured?: ReadonlyMap<CapturedHeader, string> | null;
}

/** The judged part of a span in Zipkin's shape. */
export function toSeenSpan(span: Span): SeenSpan {
  const { timestamp = 0, duration = 0, tags = {} } = span;
  const startUs = timestamp;
  const status = readStatus(tags["http.status_code"] ?? tags["http.response.status_code"]);
  const recorder = findRecorder((key) => tags[key]);
  return {
    id: span.id,
    parentId: parentOf(span.traceId, span.parentId ?? null, recorder),
    kind: span.kind,
    serviceName: span.localEndpoint?.serviceName?.toLowerCase() ?? "",
    remote: span.remoteEndpoint?.serviceName?.toLowerCase() ?? null,
    status,
    attempt: readAttempt(tags),
    failure: status === null ? (tags.error ?? tags["error.type"]) : undefined,
    ...(tags[BROKEN_CONTEXT_TAG] === "broken" ? { isContextBroken: true } : {}),
    startUs,
    endUs: startUs + duration,
    recorder,
    isDebug: span.debug === true,
    captured: readCaptured((key) => tags[key]),
  };
}

/**
 * The load generator records no span, and names the low half of the trace id as parent. A link at the entry records a root for
 * it; for spans of others, such as a gateway before the entry, it is `null` here.
 */
export function parentOf(
  traceId: string,
  parentId: string | null,
  recorder: string | undefined,
): string | null {
  return recorder !== undefined && parentId === traceId.slice(-16) ? null : parentId;
}

function readStatus(text: string | undefined): number | null {
  return text !== undefined && /^[1-5]\d\d$/.test(text) ? Number(text) : null;
}

/** The first attempt carries no number; the smallest tag set carries none at all. */
function readAttempt(tags: Readonly<Record<string, string>>): number | null {
  const text = tags["http.request.resend_count"];
  if (text !== undefined) return /^\d{1,4}$/.test(text) ? Number(text) : null;
  return "http.request.method" in tags ? 0 : null;
}
