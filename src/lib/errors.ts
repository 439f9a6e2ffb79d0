import { CONNECTION_ERRORS } from "./connection-errors.ts";

/**
 * Every code a user can meet, with what it means. `docs/errors.md` is written from this table.
 * Codes are stable: scripts may match on them.
 */
export const ERROR_CODES = {
  usage: "The command line is wrong: an unknown command or flag, a missing or malformed value.",
  "topology-invalid":
    "A topology has one or more problems, each listed, with its place in the document; or it does not fit into Kubernetes.",
  "services-file-invalid":
    "The services file is missing, is not a JSON list of names, or names a service twice.",
  "config-invalid":
    "The configuration file cannot be read, or a line of it is wrong. It is never overwritten.",
  "file-unreadable": "A file that was named cannot be read.",
  "file-unwritable": "A file or folder cannot be written. Each file is as it was before, or complete.",
  "collector-unreachable": "No collector answers at the address.",
  "collector-refused": "A collector answers a request with an error; the message has its text.",
  "data-busy": "Another process uses the collector's data file.",
  "data-invalid":
    "A trace file is malformed or has no spans: nothing of it is sent. Or a collector's data file is not one, or of another version: it is unchanged.",
  "port-busy": "Another process listens on the port, or the address cannot be bound.",
  "start-failed": "A part of the chain did not start.",
  "control-failed": "The running chain whose faults were to be changed does not answer, or refuses.",
  "limit-reached": "The operating system's limit (open files, memory) is too low for what was asked.",
  "kubeconfig-invalid":
    "There is no kubeconfig, it cannot be read, or it does not say how to reach a cluster.",
  "credentials-invalid": "The API server does not accept who we are, or a credential could not be had.",
  "cluster-unreachable":
    "The API server does not answer, answers too late, or its certificate is not trusted.",
  "cluster-error": "The API server answered a request with an error that trying again did not cure.",
  forbidden: "The API server does not allow something that the command needs; the message lists what.",
  "namespace-unusable": "The namespace is being deleted, does not exist, or has no room by its quota.",
  "release-conflict":
    "Objects are owned by others, or fields of them were changed by others; each is listed. Nothing was changed.",
  "release-invalid": "What the cluster says about a release contradicts itself: somebody changed it.",
  "release-locked": "Another process works on the release; the message says who.",
  "release-failed":
    "The release was applied, but objects did not become ready, or the API server refused one.",
  "release-not-found": "There is no release, or no revision, of that name in the namespace.",
  "ledger-unreadable": "The ledger of a run cannot be read: verify can tell nothing then.",
  "backend-unreadable":
    "The tracing backend cannot be read, or answers something else: verify can tell nothing then.",
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

/**
 * A failure that the user caused or can mend. `message` says what was expected and what was found,
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

/** What Bun adds to its messages for programmers. */
const FETCH_ADVICE = / For more information, pass `verbose: true`.*$/s;

/** Words for codes of the file system; the file stands beside them in each message. */
const FILE_TEXTS: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "permission denied",
  EROFS: "the file system is read-only",
  ENOSPC: "no space left on the device",
  EDQUOT: "the disk quota is used up",
  ENOENT: "no such file",
  EISDIR: "it is a folder",
  ENOTDIR: "a part of its path is no folder",
};

/** The text of anything that was thrown, in words for users. */
export function errorText(error: unknown): string {
  const code = errorCode(error) ?? "";
  // The same code means another thing to who listens than to who connects.
  if (code === "EADDRNOTAVAIL" && isListenError(error)) return "it is no address of this machine";
  const text = FILE_TEXTS[code] ?? CONNECTION_ERRORS.get(code)?.text;
  if (text !== undefined) return text;
  // Of `AbortSignal.timeout`.
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
