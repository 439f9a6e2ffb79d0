import { CONNECTION_ERRORS, type ConnectionReason } from "../lib/connection-errors.ts";
import { errorCode, errorText } from "../lib/errors.ts";

/**
 * Why there was no reply, with what each name means: `docs/failures.md` is written from this table. The names appear in
 * spans (`error.type`), counters and results.
 */
export const FAILURES = {
  timeout: "The response was not complete at the deadline, or the connection timed out.",
  connection_refused: "Nothing listens on the port (ECONNREFUSED).",
  connection_reset: "The server closed or reset the connection before the response was complete.",
  network_unreachable: "This machine has no route to the network of the address (ENETUNREACH).",
  no_route_to_host:
    "A router, a firewall or the neighbor table says that the host is unreachable (EHOSTUNREACH).",
  no_free_local_port: "All local ports for connections to this address are in use (EADDRNOTAVAIL).",
  too_many_open_files:
    "The process or the system has no file descriptor left (EMFILE, ENFILE; see `ulimit -n`).",
  name_not_resolved: "The name has no address, or no name server answers.",
  connection_failed: "The connection failed for another reason; the message says which.",
  tls_failed: "The TLS handshake or session failed: the server speaks no TLS, or demands something else.",
  certificate_self_signed: "The server's certificate is signed by itself, and not trusted.",
  certificate_unknown_authority: "Nobody that is trusted has signed the server's certificate.",
  certificate_expired: "The server's certificate, or one above it, is past its end.",
  certificate_not_yet_valid: "The server's certificate, or one above it, is not valid yet.",
  certificate_for_another_name:
    "The server's certificate is issued for other names than the one that was called.",
  certificate_revoked: "The server's certificate was revoked.",
  certificate_invalid: "The server's certificate is not accepted for another reason; the message says which.",
  malformed_response: "The bytes that came are no HTTP/1.1 response (RFC 9112).",
  response_too_large: "The response is larger than the client accepts.",
  request_invalid: "The request could not be sent: the service's name makes no URL.",
  client_closed: "The caller is shutting down.",
} as const satisfies Readonly<Record<ConnectionReason, string>> & Readonly<Record<string, string>>;

/** Why there was no reply. */
export type FailureReason = keyof typeof FAILURES;

export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
}

const INCOMPLETE = "before the response was complete";
/** The deadline of the call has passed. */
export const TIMEOUT: Failure = { reason: "timeout", message: "no complete response at the deadline" };
export const CLOSED: Failure = { reason: "connection_reset", message: `connection closed ${INCOMPLETE}` };
export const RESET: Failure = { reason: "connection_reset", message: `connection reset ${INCOMPLETE}` };
/** Whether a body is complete that only the end of the connection ends cannot be known then (RFC 8446, 6.1). */
export const TRUNCATED: Failure = {
  reason: "connection_reset",
  message: `connection closed without a TLS close_notify alert ${INCOMPLETE}`,
};
export const TOO_LARGE: Failure = { reason: "response_too_large", message: "the response is too large" };
export const CLIENT_CLOSED: Failure = { reason: "client_closed", message: "the client was closed" };

/** What an error of a connection means: it could not be made, or it broke. */
export function connectionFailure(error: unknown): Failure {
  const code = errorCode(error);
  const known = CONNECTION_ERRORS.get(code ?? "");
  if (known !== undefined) return { reason: known.reason, message: known.text };
  if (isResolverError(error)) return { reason: "name_not_resolved", message: `name not resolved (${code})` };
  return { reason: "connection_failed", message: code === undefined ? errorText(error) : describeCode(code) };
}

/** What it means that the connection to a TLS server is not trusted, or cannot be used. */
export function tlsFailure(error: unknown): Failure {
  const code = errorCode(error) ?? "";
  if (CONNECTION_ERRORS.has(code)) return connectionFailure(error);
  if (!isHandshakeError(error)) {
    return { reason: "certificate_invalid", message: `certificate is not accepted: ${errorText(error)}` };
  }
  // `error:100000f7:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER`
  const problem = errorText(error).split(":").at(-1) ?? "";
  return {
    reason: "tls_failed",
    message: /^(WRONG_VERSION_NUMBER|HTTP_REQUEST)$/.test(problem)
      ? "the server does not speak TLS"
      : `TLS failed: ${problem.replaceAll("_", " ").trim().toLowerCase()}`,
  };
}

/** Whether the session itself failed; otherwise it is the certificate that is not trusted. */
export function isHandshakeError(error: unknown): boolean {
  const code = errorCode(error);
  return code === undefined || code === "EPROTO" || code.startsWith("ERR_SSL") || code === "ECONNRESET";
}

function isResolverError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "getaddrinfo";
}

const OTHER_CODES: Readonly<Record<string, string>> = {
  EINVAL: "the address is not valid here",
  EACCES: "connecting is not permitted",
  EPERM: "connecting is not permitted",
  EAFNOSUPPORT: "the address family is not supported",
};

function describeCode(code: string): string {
  const text = OTHER_CODES[code];
  return text === undefined ? `the connection failed (${code})` : `${text} (${code})`;
}
