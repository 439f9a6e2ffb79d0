import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "./errors.ts";

/** The error for a result file that cannot be written. Missing folders are not created: they are usually typos. */
export function unwritable(file: string, cause: unknown): UserError {
  const reason = errorCode(cause) === "ENOENT" ? `there is no folder ${dirname(file)}` : errorText(cause);
  return new UserError("file-unwritable", `cannot write ${file}: ${reason}`, undefined, { cause });
}
