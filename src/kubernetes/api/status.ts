// https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
import { UserError } from "../../lib/errors.ts";
import { isRecord } from "../../lib/record.ts";

interface StatusCause {
  readonly reason: string;
  readonly message: string;
  /** For a conflict: path of the field that another manager owns. */
  readonly field: string;
}

/**
 * A failed answer of the API server, with the server's own message. Callers that know more catch it and explain it.
 */
export class ApiError extends UserError {
  constructor(
    readonly status: number,
    /** `NotFound`, `AlreadyExists`, `Conflict`, `Forbidden`, …; empty when absent. */
    readonly reason: string,
    message: string,
    readonly causes: readonly StatusCause[],
    readonly retryAfterMs: number | null,
    /** Method and path. */
    readonly request: string,
  ) {
    super(status === 403 ? "forbidden" : "cluster-error", message);
  }

  /** Fields in conflict with other managers; empty for every other failure. */
  get managerConflicts(): readonly StatusCause[] {
    return this.causes.filter(({ reason }) => reason === "FieldManagerConflict");
  }

  get isNotFound(): boolean {
    return this.status === 404;
  }
}

export function isNotFound(error: unknown): boolean {
  return error instanceof ApiError && error.isNotFound;
}

export function hasReason(error: unknown, reason: string): error is ApiError {
  return error instanceof ApiError && error.reason === reason;
}

/** Decodes the body of a failed answer: a `Status`, or the text of a proxy in between. */
export function readApiError(
  status: number,
  body: string,
  retryAfter: string | null,
  request: string,
): ApiError {
  const headerMs = retryAfter !== null && /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : null;
  const content = parseStatus(body);
  if (content === null) {
    const text = isHtml(body)
      ? `an HTML page with status ${status}, as of a proxy`
      : body.trim().slice(0, 200) || `an empty answer with status ${status}`;
    return new ApiError(status, reasonOf(status), text, [], headerMs, request);
  }
  const details = isRecord(content.details) ? content.details : {};
  const causes = Array.isArray(details.causes) ? details.causes.filter(isRecord) : [];
  const detailMs = typeof details.retryAfterSeconds === "number" ? details.retryAfterSeconds * 1000 : null;
  return new ApiError(
    status,
    typeof content.reason === "string" ? content.reason : reasonOf(status),
    typeof content.message === "string" ? content.message : `the answer ${status}`,
    causes.map(({ reason, message, field }) => ({
      reason: String(reason ?? ""),
      message: String(message ?? ""),
      field: String(field ?? ""),
    })),
    headerMs ?? detailMs,
    request,
  );
}

/** Whether an answer is an HTML page, as a login page or a proxy sends. */
export function isHtml(body: string): boolean {
  return /^\s*<(?:!doctype html|html)/i.test(body);
}

function parseStatus(body: string): Record<string, unknown> | null {
  try {
    const content: unknown = JSON.parse(body);
    return isRecord(content) && content.kind === "Status" ? content : null;
  } catch {
    return null;
  }
}

function reasonOf(status: number): string {
  return { 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 410: "Expired" }[status] ?? "";
}
