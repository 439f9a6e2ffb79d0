/** The label under which a failed connection is counted. Labels are stable; replacing underscores with spaces makes them readable. */
export type ConnectionReason =
  | "timeout"
  | "connection_refused"
  | "connection_reset"
  | "network_unreachable"
  | "no_route_to_host"
  | "no_free_local_port"
  | "too_many_open_files"
  | "name_not_resolved"
  | "certificate_self_signed"
  | "certificate_unknown_authority"
  | "certificate_expired"
  | "certificate_not_yet_valid"
  | "certificate_for_another_name"
  | "certificate_revoked";

interface ConnectionError {
  readonly reason: ConnectionReason;
  /** The wording of curl, Go and OpenSSL. */
  readonly text: string;
}

const TOO_MANY_FILES: ConnectionError = { reason: "too_many_open_files", text: "too many open files" };
const NO_SUCH_HOST: ConnectionError = {
  reason: "name_not_resolved",
  text: "name not resolved: no such host",
};
const DNS_FAILED: ConnectionError = {
  reason: "name_not_resolved",
  text: "name not resolved: the name server does not answer",
};
const UNKNOWN_AUTHORITY: ConnectionError = {
  reason: "certificate_unknown_authority",
  text: "certificate is signed by an unknown authority",
};
const OTHER_NAME: ConnectionError = {
  reason: "certificate_for_another_name",
  text: "certificate is issued for another name",
};

/**
 * Connection failures by their code from the operating system, the resolver or OpenSSL. Everything that names a failure
 * reads this table: links, load, the reporter, verify, and the commands that use `fetch`.
 */
export const CONNECTION_ERRORS: ReadonlyMap<string, ConnectionError> = new Map([
  ["ECONNREFUSED", { reason: "connection_refused", text: "connection refused" }],
  ["ECONNRESET", { reason: "connection_reset", text: "connection closed or reset by peer" }],
  ["EPIPE", { reason: "connection_reset", text: "connection reset by peer" }],
  ["ECONNABORTED", { reason: "connection_reset", text: "connection aborted" }],
  ["ETIMEDOUT", { reason: "timeout", text: "connection timed out" }],
  ["ENETUNREACH", { reason: "network_unreachable", text: "network is unreachable" }],
  ["ENETDOWN", { reason: "network_unreachable", text: "network is down" }],
  ["EHOSTUNREACH", { reason: "no_route_to_host", text: "no route to host" }],
  ["EHOSTDOWN", { reason: "no_route_to_host", text: "host is down" }],
  ["EADDRNOTAVAIL", { reason: "no_free_local_port", text: "no free local port" }],
  ["EMFILE", TOO_MANY_FILES],
  ["ENFILE", TOO_MANY_FILES],
  ["ENOTFOUND", NO_SUCH_HOST],
  ["ENODATA", NO_SUCH_HOST],
  ["EAI_AGAIN", DNS_FAILED],
  ["ESERVFAIL", DNS_FAILED],
  ["EREFUSED", DNS_FAILED],
  ["ETIMEOUT", DNS_FAILED],
  ["DEPTH_ZERO_SELF_SIGNED_CERT", { reason: "certificate_self_signed", text: "certificate is self-signed" }],
  ["SELF_SIGNED_CERT_IN_CHAIN", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_GET_ISSUER_CERT_LOCALLY", UNKNOWN_AUTHORITY],
  ["UNABLE_TO_VERIFY_LEAF_SIGNATURE", UNKNOWN_AUTHORITY],
  ["CERT_UNTRUSTED", UNKNOWN_AUTHORITY],
  ["CERT_HAS_EXPIRED", { reason: "certificate_expired", text: "certificate has expired" }],
  ["CERT_NOT_YET_VALID", { reason: "certificate_not_yet_valid", text: "certificate is not yet valid" }],
  ["CERT_REVOKED", { reason: "certificate_revoked", text: "certificate has been revoked" }],
  ["ERR_TLS_CERT_ALTNAME_INVALID", OTHER_NAME],
  ["HOSTNAME_MISMATCH", OTHER_NAME],
]);
