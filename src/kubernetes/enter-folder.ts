import { lstatSync, mkdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { basename, resolve, sep } from "node:path";
import { errorCode, UserError } from "../lib/errors.ts";
import { isPlanted } from "../lib/planted.ts";

/** As many as Linux follows before it gives up with ELOOP. */
const MAX_LINKS = 40;

/**
 * Makes a folder the working directory; it and the folders above it are created where they are missing. From then on, relative
 * names belong to this folder, even if somebody moves it or puts a link in its place: Node has no `openat`. What another
 * user put into a folder that everybody may write to, such as /tmp, is refused.
 * Returns how many folders were created, the last ones of the path. Throws system errors and {@link UserError}s.
 */
export function enterFolder(directory: string): number {
  const steps = resolve(directory).split(sep);
  let links = 0;
  let made = 0;
  process.chdir(sep);
  for (let step = steps.shift(); step !== undefined; step = steps.shift()) {
    if (step === "" || step === ".") continue;
    if (step === "..") {
      process.chdir(step);
      continue;
    }
    made = makeFolder(step) ? made + 1 : 0;
    const found = lstatSync(step);
    if (isPlanted(found, statSync("."))) {
      const whose = `${step} belongs to another user (uid ${found.uid}), in a folder that everybody may write to`;
      throw unsafe(directory, whose);
    }
    if (found.isSymbolicLink()) {
      if (++links > MAX_LINKS) throw Object.assign(new Error("too many links"), { code: "ELOOP" });
      const target = readlinkSync(step);
      if (target.startsWith(sep)) process.chdir(sep);
      steps.unshift(...target.split(sep));
      continue;
    }
    process.chdir(step);
    const entered = statSync(".");
    if (entered.ino !== found.ino || entered.dev !== found.dev)
      throw unsafe(directory, `somebody exchanged ${step}`);
  }
  return made;
}

/** Leaves the working directory and removes it and the ones above it, so many in all, as far as they are empty. */
export function removeEntered(count: number): void {
  try {
    for (let left = count; left > 0; left--) {
      const name = basename(process.cwd());
      process.chdir("..");
      rmdirSync(name);
    }
  } catch {
    // Somebody else uses it by now.
  }
}

/** Returns false if there is something of that name. */
function makeFolder(name: string): boolean {
  if (lstatSync(name, { throwIfNoEntry: false }) !== undefined) return false;
  try {
    mkdirSync(name);
    return true;
  } catch (error) {
    if (errorCode(error) === "EEXIST") return false;
    throw error;
  }
}

function unsafe(directory: string, reason: string): UserError {
  return new UserError(
    "file-unwritable",
    `cannot write to ${directory}: ${reason}`,
    "Choose another folder with --output-directory.",
  );
}
