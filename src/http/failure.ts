import { errorCode, errorText } from "../lib/errors.ts";

/** Why there was no reply. */
export type FailureReason =
  /** Not whole at the deadline. */
  | "timeout"
  | "connection_refused"
  | "name_not_resolved"
  /** Closed or reset before the reply was whole. */
  | "connection_reset"
  /** Not reached, or not trusted, for another reason; the message says which. */
  | "connection_failed"
  /** What came is not a reply that RFC 9112 lets us understand. */
  | "malformed_response"
  | "response_too_large"
  /** The client was closed meanwhile. */
  | "client_closed";

export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
}

export const TIMEOUT: Failure = { reason: "timeout", message: "no whole response at the deadline" };
export const RESET: Failure = {
  reason: "connection_reset",
  message: "connection closed before the response was complete",
};
export const TOO_LARGE: Failure = { reason: "response_too_large", message: "the response is too large" };
export const CLIENT_CLOSED: Failure = { reason: "client_closed", message: "the client was closed" };

/** What a failed attempt to connect means. */
export function connectFailure(error: unknown): Failure {
  const code = errorCode(error);
  switch (code) {
    case "ECONNREFUSED":
      return { reason: "connection_refused", message: "connection refused" };
    case "ENOTFOUND":
    case "EAI_AGAIN":
    case "ENODATA":
      return { reason: "name_not_resolved", message: "name not known" };
    case "ECONNRESET":
      return RESET;
    default:
      return { reason: "connection_failed", message: code ?? errorText(error) };
  }
}
