import { readFileSync } from "node:fs";
import { writeResultFile } from "../../lib/result-file.ts";

/**
 * Replaces texts of a file that is a person's, and leaves all else as it is. Empty ones cannot be found and are left out; so is
 * a file that may not be written.
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
    // The new token holds for this run; whoever owns the file has to log in next time.
  }
}
