import { dirname } from "node:path";
import { errorCode, errorText, UserError } from "./errors.ts";

/** That a result cannot be written. Folders are not made: one that is not there is a slip of the pen. */
export function unwritable(file: string, cause: unknown): UserError {
  const reason = errorCode(cause) === "ENOENT" ? `there is no folder ${dirname(file)}` : errorText(cause);
  return new UserError("file-unwritable", `cannot write ${file}: ${reason}`, undefined, { cause });
}
