import { closeSync, lstatSync, openSync, rmSync } from "node:fs";
import { unwritable } from "../lib/unwritable.ts";

/**
 * A result that cannot be written is to be known before the run, not after. What is in the file stays until {@link writeResultFile}, and
 * none is left behind where there was none: an empty one would be taken for a result.
 * @throws {UserError} `file-unwritable`
 */
export function prepareFile(file: string): void {
  try {
    const isNew = lstatSync(file, { throwIfNoEntry: false }) === undefined;
    closeSync(openSync(file, "a"));
    if (isNew) rmSync(file);
  } catch (error) {
    throw unwritable(file, error);
  }
}

/** @throws {UserError} `file-unwritable` */
export async function writeResultFile(file: string, text: string): Promise<void> {
  try {
    await Bun.write(file, text, { createPath: false });
  } catch (error) {
    throw unwritable(file, error);
  }
}
