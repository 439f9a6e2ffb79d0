import { readFileSync } from "node:fs";
import { isAbsolute, join } from "node:path";
import { errorText, UserError } from "../../lib/errors.ts";

/** One cluster, user or context of a kubeconfig. */
export type Entry = Readonly<Record<string, unknown>>;

/** Keys under which an entry stores its file and folder. No kubeconfig has keys of these names. */
export const FOLDER = "\0folder";
export const PATH = "\0path";

/** Returns the content of a file that an entry names, or `null` when it names none. */
export function fileOf(entry: Entry, key: string): string | null {
  const name = text(entry[key]);
  if (name === "") return null;
  const path = isAbsolute(name) ? name : join(text(entry[FOLDER]), name);
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new UserError(
      "kubeconfig-invalid",
      `${key} of ${text(entry[PATH]) || "the service account"} cannot be read: ${errorText(error)}`,
      undefined,
      {
        cause: error,
      },
    );
  }
}

export function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}
