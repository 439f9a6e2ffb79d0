import { type CapturedHeader, readCaptured } from "../../trace/capture.ts";
import { BROKEN_CONTEXT_TAG } from "../../trace/context.ts";
import type { LedgerSpan } from "../../trace/ledger.ts";
import type { Span } from "../../trace/span.ts";
import { findRecorder } from "./recorder.ts";

/** A span from a backend, reduced to the fields that are judged. */
export interface SeenSpan extends LedgerSpan {
  /** Lower case; empty when the backend has none. */
  readonly serviceName: string;
  /** The callee in lower case, if the span names it. */
  readonly remote: string | null;
  /** HTTP status of the answer; `null` if there was none or the span does not say. */
  readonly status: number | null;
  /** Why a call got no answer, according to its link; absent if it got one or the span does not say. */
  readonly failure?: string | undefined;
  /** Whether the callee reported that it started another trace. @default false */
  readonly isContextBroken?: boolean;
  /** Attempt number of a call, from 0; `null` if the span does not say. */
  readonly attempt: number | null;
  /** Microseconds since 1970; 0 if unknown. */
  readonly startUs: number;
  readonly endUs: number;
  /** What recorded the span, if the span shows that it was not a link; otherwise absent. */
  readonly recorder?: string | undefined;
  /** B3 debug flag; absent if the backend does not store it. */
  readonly isDebug?: boolean;
  /** The incoming context headers, if they were requested and the link reports them. */
  readonly captured?: ReadonlyMap<CapturedHeader, string> | null;
}

/** Converts a span in Zipkin's format. */
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
 * Returns the parent id. The load generator records no span and sends the low half of the trace id as parent.
 * The entry records a root for it; spans of others, such as a gateway before the entry, get `null` here.
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

/** The first attempt has no attempt tag; with `--tags minimal`, no attempt has one. */
function readAttempt(tags: Readonly<Record<string, string>>): number | null {
  const text = tags["http.request.resend_count"];
  if (text !== undefined) return /^\d{1,4}$/.test(text) ? Number(text) : null;
  return "http.request.method" in tags ? 0 : null;
}
