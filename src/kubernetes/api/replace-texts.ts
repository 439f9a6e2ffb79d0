import { readFileSync } from "node:fs";
import { writeResultFile } from "../../lib/result-file.ts";

/**
 * Replaces texts in a user's file and preserves everything else. Skips empty texts, which cannot be located, and files that
 * are not writable.
 */
export function replaceTexts(path: string, pairs: readonly (readonly [from: string, to: string])[]): void {
  try {
    const before = readFileSync(path, "utf8");
    const after = pairs.reduce(
      (text, [from, to]) => (from === "" ? text : text.replaceAll(from, to)),
      before,
    );
    if (after !== before) writeResultFile(path, after);
  } catch {
    // The new token is valid for this run; the user must log in again next time.
  }
}
