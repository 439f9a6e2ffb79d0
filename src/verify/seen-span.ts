import { type CapturedHeader, readCaptured } from "../trace/capture.ts";
import type { LedgerSpan } from "../trace/ledger.ts";
import type { Span } from "../trace/span.ts";

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
  /** Which attempt of a call it is, from 0; `null` where the span does not say. */
  readonly attempt: number | null;
  /** Microseconds since 1970, 0 when unknown. */
  readonly startUs: number;
  readonly endUs: number;
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
  return {
    id: span.id,
    parentId: span.parentId ?? null,
    kind: span.kind,
    serviceName: span.localEndpoint?.serviceName?.toLowerCase() ?? "",
    remote: span.remoteEndpoint?.serviceName?.toLowerCase() ?? null,
    status,
    attempt: readAttempt(tags),
    failure: status === null ? (tags.error ?? tags["error.type"]) : undefined,
    startUs,
    endUs: startUs + duration,
    isDebug: span.debug === true,
    captured: readCaptured((key) => tags[key]),
  };
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
