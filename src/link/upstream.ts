import { errorCode, errorText } from "../lib/errors.ts";
import { TRACE_RESPONSE_HEADER } from "../trace/context.ts";
import { LEDGER_HEADER } from "../trace/ledger.ts";

/** What became of one attempt to call another service. */
export type Reply =
  | {
      readonly kind: "answer";
      /** 200 to 599. */
      readonly status: number;
      /** Those of {@link PASSED_HEADERS} that came. */
      readonly headers: readonly (readonly [name: string, value: string])[];
      /** The account of the callee's spans, as it came. */
      readonly ledger: string | null;
      /** Says which trace the callee began, where it did not take ours. */
      readonly traceResponse: string | null;
      /** As it was sent: what is compressed stays so. */
      readonly body: Uint8Array<ArrayBuffer>;
    }
  | Failure;

export interface Failure {
  readonly kind: "failure";
  readonly reason: FailureReason;
  readonly message: string;
}

/** Why there was no answer; the value of the tag `error.type`. */
export type FailureReason =
  | "timeout"
  | "connection_refused"
  | "name_not_resolved"
  | "connection_reset"
  | "connection_failed"
  /** What came is not HTTP, or no answer that could be handed on. */
  | "malformed_answer"
  | "answer_too_large";

/** Headers of an answer without which its body or status cannot be understood. */
const PASSED_HEADERS = ["Content-Type", "Content-Encoding", "Location"] as const;

/** Timers cannot be set further ahead (2^31 - 1 ms). */
const MAX_TIMER_MS = 2_147_483_647;

/** A callee that never stops sending must not take this link's memory. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;

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
    const { status } = response;
    if (status < 200 || status > 599) {
      await response.body?.cancel();
      return failure("malformed_answer", `the answer's status is ${status}`);
    }
    const body = await readBody(response);
    if (body === null)
      return failure("answer_too_large", `the answer is longer than ${MAX_BODY_BYTES} bytes`);
    return {
      kind: "answer",
      status,
      headers: passedHeaders(response.headers),
      ledger: response.headers.get(LEDGER_HEADER),
      traceResponse: response.headers.get(TRACE_RESPONSE_HEADER),
      body,
    };
  } catch (error) {
    return describeFailure(error, timeoutMs);
  }
}

function passedHeaders(headers: Headers): [name: string, value: string][] {
  const passed: [string, string][] = [];
  for (const name of PASSED_HEADERS) {
    const value = headers.get(name);
    if (value !== null) passed.push([name, value]);
  }
  return passed;
}

/** `null` when it is too long. */
async function readBody(response: Response): Promise<Uint8Array<ArrayBuffer> | null> {
  const length = response.headers.get("content-length");
  if (length !== null && Number(length) <= MAX_BODY_BYTES)
    return new Uint8Array(await response.arrayBuffer());
  if (response.body === null) return new Uint8Array();
  if (length !== null) {
    await response.body.cancel();
    return null;
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body) {
    size += chunk.length;
    // Leaving the loop cancels the stream, which closes the connection.
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(Bun.concatArrayBuffers(chunks));
}

function describeFailure(error: unknown, timeoutMs: number): Failure {
  if (error instanceof Error && error.name === "TimeoutError") {
    return failure("timeout", `no answer within ${timeoutMs} ms`);
  }
  const code = errorCode(error);
  switch (code) {
    case "ECONNREFUSED":
      return failure("connection_refused", "connection refused");
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return failure("name_not_resolved", "name not known");
    case "ECONNRESET":
      return failure("connection_reset", "connection closed before the answer was complete");
    case "Malformed_HTTP_Response":
    case "InvalidHTTPResponse":
    case "InvalidContentLength":
    case "ResponseHeadersTooLarge":
    case "UnrequestedUpgrade":
      return failure("malformed_answer", "the answer is not HTTP that can be understood");
    default:
      return failure("connection_failed", code ?? errorText(error));
  }
}

function failure(reason: FailureReason, message: string): Failure {
  return { kind: "failure", reason, message };
}
