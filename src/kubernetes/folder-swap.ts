import {
  chmodSync,
  copyFileSync,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  unlinkSync,
} from "node:fs";
import { join, sep } from "node:path";
import { errorCode } from "../lib/errors.ts";
import type { Staging } from "./staging.ts";

/** What lies in a folder, seen from the files that shall be put there. */
export interface FolderContent {
  /** Every name but those of stagings. */
  readonly present: ReadonlySet<string>;
  /** Files to be removed. */
  readonly obsolete: readonly string[];
  /** The folder holds something that must stay. */
  readonly hasForeign: boolean;
}

/**
 * Puts the files of `staging.newPath` into `folder` and takes the obsolete ones away: with two renames of
 * whole folders where nothing else lies there, otherwise file by file. Either all of it happens or nothing.
 * Call under the staging's lock. Throws system errors.
 */
export function swapIn(
  staging: Staging,
  folder: string,
  names: ReadonlySet<string>,
  content: FolderContent,
): void {
  if (lstatSync(folder, { throwIfNoEntry: false }) === undefined) {
    renameSync(staging.newPath, folder);
    return;
  }
  const isWhole = !content.hasForeign && staging.isBeside && swapFolders(staging, folder, names, content);
  if (!isWhole) swapFiles(staging, folder, names, content);
}

/** Returns false, with nothing changed, where the folder cannot be replaced as a whole. */
function swapFolders(
  { newPath, oldPath, trashPath }: Staging,
  folder: string,
  names: ReadonlySet<string>,
  content: FolderContent,
): boolean {
  if (isWorkingDirectoryIn(folder) || !adoptMode(newPath, folder)) return false;
  try {
    renameSync(folder, oldPath);
  } catch (error) {
    if (CANNOT_RENAME.has(errorCode(error) ?? "")) return false;
    throw error;
  }
  try {
    renameSync(newPath, folder);
  } catch (error) {
    renameSync(oldPath, folder);
    throw error;
  }
  // Somebody may have put a file there since the folder was read.
  for (const name of readdirSync(oldPath)) {
    if (content.present.has(name) || names.has(name)) continue;
    renameSync(join(oldPath, name), join(folder, name));
  }
  renameSync(oldPath, trashPath);
  return true;
}

/** A mount point, a folder in somebody else's sticky folder, … */
const CANNOT_RENAME = new Set(["EBUSY", "EXDEV", "EACCES", "EPERM", "EINVAL"]);

function isWorkingDirectoryIn(folder: string): boolean {
  return `${process.cwd()}${sep}`.startsWith(`${folder}${sep}`);
}

/** Gives `newPath` the permissions of `folder`; false if it would belong to somebody else. */
function adoptMode(newPath: string, folder: string): boolean {
  const wanted = statSync(folder);
  const made = statSync(newPath);
  if (wanted.uid !== made.uid || wanted.gid !== made.gid) return false;
  chmodSync(newPath, wanted.mode & 0o7777);
  return true;
}

function swapFiles(
  { newPath, oldPath, trashPath }: Staging,
  folder: string,
  names: ReadonlySet<string>,
  content: FolderContent,
): void {
  mkdirSync(oldPath);
  const undo: (() => void)[] = [];
  try {
    for (const name of names) {
      const place = join(folder, name);
      const backup = join(oldPath, name);
      const isReplaced = content.present.has(name);
      if (isReplaced) backUp(place, backup);
      renameSync(join(newPath, name), place);
      undo.push(isReplaced ? () => renameSync(backup, place) : () => unlinkSync(place));
    }
    for (const name of content.obsolete) {
      renameSync(join(folder, name), join(oldPath, name));
      undo.push(() => renameSync(join(oldPath, name), join(folder, name)));
    }
  } catch (error) {
    for (const step of undo.reverse()) attempt(step);
    throw error;
  }
  renameSync(oldPath, trashPath);
}

/** Readers of the folder must never miss the file, so it is not moved away. */
function backUp(path: string, backup: string): void {
  try {
    linkSync(path, backup);
  } catch {
    rmSync(backup, { force: true });
    copyFileSync(path, backup);
  }
}

/** One step that cannot be undone must not keep the others from it. */
function attempt(step: () => void): void {
  try {
    step();
  } catch {
    // The backup is put back when the staging closes, if nothing is in its place.
  }
}
