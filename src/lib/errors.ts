import { CONNECTION_ERRORS } from "./connection-errors.ts";

/**
 * Every error code that a user can meet, with its meaning. `docs/errors.md` is generated from this table.
 * Codes are stable: scripts may match on them.
 */
export const ERROR_CODES = {
  usage: "The command line is wrong: an unknown command or flag, or a missing or malformed value.",
  "topology-invalid":
    "The topology has problems, or does not fit into Kubernetes. Each problem is listed with its place in the document.",
  "services-file-invalid":
    "The services file is missing, is not a JSON list of names, or names a service twice.",
  "config-invalid":
    "The configuration file cannot be read, or one of its lines is wrong. chain-link never overwrites such a file.",
  "file-unreadable": "A file named on the command line cannot be read.",
  "file-unwritable":
    "A file or folder cannot be written. Every file is either unchanged or complete, never half written.",
  "collector-unreachable": "No collector answers at the address.",
  "collector-refused": "The collector answered a request with an error; the message quotes it.",
  "data-busy": "Another process uses the collector's data file.",
  "data-invalid":
    "A trace file is malformed or has no spans, and nothing of it was sent. Or the collector's data file is not one or has another version; it was not changed.",
  "port-busy": "Another process listens on the port, or the address cannot be bound.",
  "start-failed": "Part of the chain did not start.",
  "control-failed": "The running chain whose faults should change does not answer, or refuses the change.",
  "limit-reached": "A limit of the operating system (open files, memory) is too low for this command.",
  "kubeconfig-invalid":
    "There is no kubeconfig, it cannot be read, or it does not describe how to reach a cluster.",
  "credentials-invalid": "The API server rejects the credentials, or credentials could not be obtained.",
  "cluster-unreachable":
    "The API server does not answer, answers too late, or presents a certificate that is not trusted.",
  "cluster-error": "The API server answered with an error that persisted after retries.",
  forbidden: "The API server denies permissions that the command needs; the message lists them.",
  "namespace-unusable": "The namespace is being deleted, does not exist, or its quota is exhausted.",
  "release-conflict":
    "Objects belong to other owners, or other managers changed some of their fields; each is listed. Nothing was changed.",
  "release-invalid": "The cluster's record of the release contradicts itself, because somebody changed it.",
  "release-locked": "Another process is working on the release; the message says which.",
  "release-failed":
    "The release was applied, but objects did not become ready, or the API server refused one.",
  "release-not-found": "The namespace has no release, or no revision, with that name.",
  "ledger-unreadable": "The ledger of a run cannot be read, so verify cannot reach a verdict.",
  "backend-unreadable":
    "The tracing backend cannot be read, or answers in an unexpected format, so verify cannot reach a verdict.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * A failure that the user caused or can fix. `message` says what was expected and what was found,
 * `hint` what to do. Printed without a stack trace; exit code 2 for `usage`, otherwise 1.
 */
export class UserError extends Error {
  override readonly name = "UserError";
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, hint?: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
    this.hint = hint;
  }
}

/** Advice for programmers that Bun appends to its messages. */
const FETCH_ADVICE = / For more information, pass `verbose: true`.*$/s;

/** Wording for file system error codes. Every message names the file itself. */
const FILE_TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is not a folder",
};

/** Describes anything that was thrown, in words for users. */
export function errorText(error: unknown): string {
  const code = errorCode(error) ?? "";
  // The same code has another meaning when listening than when connecting.
  if (code === "EADDRNOTAVAIL" && isListenError(error)) return "it is not an address of this machine";
  const text = FILE_TEXTS[code] ?? CONNECTION_ERRORS.get(code)?.text;
  if (text !== undefined) return text;
  // Thrown by `AbortSignal.timeout`.
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer in time";
  return error instanceof Error ? error.message.replace(FETCH_ADVICE, "") : String(error);
}

/** The `errno` name (`ENOENT`, `EADDRINUSE`, …) of a system error, if it has one. */
export function errorCode(error: unknown): string | undefined {
  if (error instanceof Error && "code" in error && typeof error.code === "string") return error.code;
  return undefined;
}

function isListenError(error: unknown): boolean {
  return (
    error instanceof Error && "syscall" in error && (error.syscall === "listen" || error.syscall === "bind")
  );
}
