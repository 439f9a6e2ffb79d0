import { errorCode, errorText } from "../lib/errors.ts";

/** What became of one attempt to call another service. */
export type Reply =
  | {
      readonly kind: "answer";
      readonly status: number;
      readonly contentType: string | null;
      readonly location: string | null;
      readonly body: Uint8Array<ArrayBuffer>;
    }
  | { readonly kind: "failure"; readonly reason: FailureReason; readonly message: string };

/** Why there was no answer; the value of the tag `error.type`. */
export type FailureReason =
  | "timeout"
  | "connection_refused"
  | "name_not_resolved"
  | "connection_reset"
  | "connection_failed";

/** Timers cannot be set further ahead (2^31 - 1 ms). */
const MAX_TIMER_MS = 2_147_483_647;

/**
 * One GET, with everything read within `timeoutMs`. Redirects are handed back, not followed, and the body comes as it
 * was sent. Never throws: a failure is a value.
 */
export async function callUpstream(
  url: string,
  headers: readonly (readonly [string, string])[],
  timeoutMs: number,
): Promise<Reply> {
  try {
    const response = await fetch(url, {
      headers: headers as [string, string][],
      redirect: "manual",
      decompress: false,
      signal: AbortSignal.timeout(Math.min(MAX_TIMER_MS, Math.max(1, Math.ceil(timeoutMs)))),
    });
    const body = new Uint8Array(await response.arrayBuffer());
    return {
      kind: "answer",
      status: response.status,
      contentType: response.headers.get("content-type"),
      location: response.headers.get("location"),
      body,
    };
  } catch (error) {
    return { kind: "failure", ...describeFailure(error, timeoutMs) };
  }
}

function describeFailure(error: unknown, timeoutMs: number): { reason: FailureReason; message: string } {
  if (error instanceof Error && error.name === "TimeoutError") {
    return { reason: "timeout", message: `no answer within ${timeoutMs} ms` };
  }
  switch (errorCode(error)) {
    case "ECONNREFUSED":
      return { reason: "connection_refused", message: "connection refused" };
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return { reason: "name_not_resolved", message: "name not known" };
    case "ECONNRESET":
      return { reason: "connection_reset", message: "connection closed before the answer was complete" };
    default:
      return { reason: "connection_failed", message: errorText(error) };
  }
}
