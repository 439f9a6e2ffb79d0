import { errorText, UserError } from "../../lib/errors.ts";
import type { ClusterAccess } from "./access.ts";
import type { ApiRequest } from "./request.ts";
import { ApiError } from "./status.ts";

/** Statuses that may be transient. */
const PASSING = new Set([429, 500, 502, 503, 504]);

/** A conflict of resource versions, or of the quota's own record, is transient; one between field managers is not. */
export function isPassing(error: ApiError, { isConditional = false }: ApiRequest): boolean {
  if (PASSING.has(error.status)) return !WEBHOOK_FAILED.test(error.message);
  // A namespace gets its service account shortly after its creation, and accepts no Pods before.
  if (error.status === 403 && /error looking up service account/.test(error.message)) return true;
  return error.status === 409 && !isConditional && /object has been modified|quota/i.test(error.message);
}

/** An admission webhook that does not respond: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/ */
const WEBHOOK_FAILED = /failed calling webhook/;

/** Whether the server or a policy rejects this object. Other requests may still succeed. */
export function isRefusal(error: unknown): error is ApiError {
  if (!(error instanceof ApiError)) return false;
  const { status, message } = error;
  if (status >= 500) return WEBHOOK_FAILED.test(message);
  return status !== 403 || isPolicy(error);
}

/** Whether a 403 is about the object rather than the user: https://kubernetes.io/docs/reference/access-authn-authz/admission-controllers/ */
export function isPolicy({ status, message }: ApiError): boolean {
  return status === 403 && !/ cannot [a-z]+ resource /.test(message) && !/being terminated/.test(message);
}

/** Hint for an answer that does not come from an API server. */
export const NO_API_SERVER =
  "Check the server and proxy-url that 'kubectl config view --minify' shows: a proxy or a login page may answer in place of the API server.";

/** Explains failures that mean the same for every command. Returns others unchanged. */
export function explainRefused(error: ApiError, access: ClusterAccess): Error {
  const { server, userName } = access;
  if (error.status === 401) {
    return new UserError(
      "credentials-invalid",
      `${server} does not accept the credentials of ${userName}: ${access.findTrouble() ?? error.message}`,
      `Log in again, check with 'kubectl auth whoami --context ${access.contextName}', or choose another context with --context.`,
      { cause: error },
    );
  }
  if (error.status >= 300 && error.status < 400) {
    return new UserError(
      "cluster-unreachable",
      `${server} answered with a redirect (${error.status})`,
      NO_API_SERVER,
    );
  }
  if (PASSING.has(error.status) && !WEBHOOK_FAILED.test(error.message)) {
    return new UserError(
      "cluster-error",
      `${server} answers ${error.status} again and again: ${error.message}`,
      "Check the cluster with 'kubectl get --raw /readyz', then run the same command again; it resumes where this one stopped.",
      { cause: error },
    );
  }
  return error;
}

export function isTrustProblem(error: unknown): boolean {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return /CERT|TLS|SSL|SIGNATURE|ISSUER|VERIFY/.test(code) && !/RESET|CLOSED/.test(code);
}

export function explainUnreachable(error: unknown, access: ClusterAccess): UserError {
  const { server } = access;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const isTimeout = error instanceof DOMException && error.name === "TimeoutError";
  const by = access.proxy === null ? "" : ` through the proxy ${access.proxy.host}`;
  const what = isTimeout
    ? "it did not answer in time"
    : `${errorText(error)}${code === "" ? "" : ` (${code})`}`;
  const hint = /CERT_HAS_EXPIRED/.test(code)
    ? "A certificate has expired: renew it, or ask the cluster's administrator."
    : isTrustProblem(error)
      ? "Check certificate-authority-data and tls-server-name of the cluster in the kubeconfig ('kubectl config view --minify')."
      : isTimeout && access.hasAnswered
        ? "It may be overloaded, or an admission webhook may hang. --request-timeout waits longer."
        : `Check that 'kubectl cluster-info --context ${access.contextName}' works, or choose another context ('kubectl config get-contexts').`;
  return new UserError("cluster-unreachable", `cannot reach the API server ${server}${by}: ${what}`, hint, {
    cause: error,
  });
}
