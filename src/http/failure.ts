import { CONNECTION_ERRORS, type ConnectionReason } from "../lib/connection-errors.ts";
import { errorCode, errorText } from "../lib/errors.ts";

/**
 * Reasons why a call got no reply, with their meaning: `docs/failures.md` is generated from this table. The names appear
 * in spans (`error.type`), counters and results.
 */
export const FAILURES = {
  timeout: "The response was not complete at the deadline, or the connection timed out.",
  connection_refused: "No process listens on the port (ECONNREFUSED).",
  connection_reset: "The server closed or reset the connection before the response was complete.",
  network_unreachable: "This machine has no route to the network of the address (ENETUNREACH).",
  no_route_to_host:
    "A router, a firewall or the neighbor table reports that the host is unreachable (EHOSTUNREACH).",
  no_free_local_port: "All local ports for connections to this address are in use (EADDRNOTAVAIL).",
  too_many_open_files:
    "The process or the system has no file descriptor left (EMFILE, ENFILE; see `ulimit -n`).",
  name_not_resolved: "The name has no address, or the name server does not answer.",
  connection_failed: "The connection failed for another reason; the message says which.",
  tls_failed:
    "The TLS handshake or session failed: the server does not speak TLS, or has other requirements.",
  certificate_self_signed: "The server's certificate is self-signed and not trusted.",
  certificate_unknown_authority: "The server's certificate was not signed by a trusted authority.",
  certificate_expired: "The server's certificate, or one above it, has expired.",
  certificate_not_yet_valid: "The server's certificate, or one above it, is not valid yet.",
  certificate_for_another_name: "The server's certificate is not issued for the name that was called.",
  certificate_revoked: "The server's certificate has been revoked.",
  certificate_invalid: "The server's certificate was rejected for another reason; the message says which.",
  malformed_response: "The received bytes are not an HTTP/1.1 response (RFC 9112).",
  response_too_large: "The response is larger than the client accepts.",
  request_invalid: "The request could not be sent: the service's name does not form a URL.",
  client_closed: "The caller is shutting down.",
} as const satisfies Readonly<Record<ConnectionReason, string>> & Readonly<Record<string, string>>;

/** Why a call got no reply. */
export type FailureReason = keyof typeof FAILURES;

export interface Failure {
  readonly reason: FailureReason;
  readonly message: string;
}

const INCOMPLETE = "before the response was complete";
/** The call's deadline passed. */
export const TIMEOUT: Failure = { reason: "timeout", message: "no complete response at the deadline" };
export const CLOSED: Failure = { reason: "connection_reset", message: `connection closed ${INCOMPLETE}` };
export const RESET: Failure = { reason: "connection_reset", message: `connection reset ${INCOMPLETE}` };
/** If only the end of the connection ends the body, the body may then be incomplete (RFC 8446, 6.1). */
export const TRUNCATED: Failure = {
  reason: "connection_reset",
  message: `connection closed without a TLS close_notify alert ${INCOMPLETE}`,
};
export const TOO_LARGE: Failure = { reason: "response_too_large", message: "the response is too large" };
export const CLIENT_CLOSED: Failure = { reason: "client_closed", message: "the client was closed" };

/** The failure for an error of a connection that could not be established, or broke. */
export function connectionFailure(error: unknown): Failure {
  const code = errorCode(error);
  const known = CONNECTION_ERRORS.get(code ?? "");
  if (known !== undefined) return { reason: known.reason, message: known.text };
  if (isResolverError(error)) return { reason: "name_not_resolved", message: `name not resolved (${code})` };
  return { reason: "connection_failed", message: code === undefined ? errorText(error) : describeCode(code) };
}

/** The failure for a TLS server that is not trusted, or with which no session is possible. */
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

/** Whether the session itself failed; otherwise the certificate is not trusted. */
export function isHandshakeError(error: unknown): boolean {
  const code = errorCode(error);
  return code === undefined || code === "EPROTO" || code.startsWith("ERR_SSL") || code === "ECONNRESET";
}

function isResolverError(error: unknown): boolean {
  return error instanceof Error && "syscall" in error && error.syscall === "getaddrinfo";
}

const OTHER_CODES: Readonly<Record<string, string>> = {
  EINVAL: "the address is not valid on this machine",
  EACCES: "connecting is not permitted",
  EPERM: "connecting is not permitted",
  EAFNOSUPPORT: "the address family is not supported",
};

function describeCode(code: string): string {
  const text = OTHER_CODES[code];
  return text === undefined ? `the connection failed (${code})` : `${text} (${code})`;
}
