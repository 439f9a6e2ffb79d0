import { lstatSync, mkdirSync, readlinkSync, rmdirSync, statSync } from "node:fs";
import { basename, resolve, sep } from "node:path";
import { errorCode, UserError } from "../lib/errors.ts";
import { isPlanted } from "../lib/planted.ts";

/** Linux follows this many symbolic links before it fails with ELOOP. */
const MAX_LINKS = 40;

/**
 * Makes a folder the working directory, and creates missing folders on the way. From then on, relative names refer to this
 * folder even if somebody moves it or replaces it with a symbolic link; Node has no `openat`. Refuses folders that another
 * user created inside a world-writable folder such as /tmp.
 * @returns the number of folders created, counted from the end of the path
 * @throws {UserError} and system errors
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
      const whose = `${step} belongs to another user (uid ${found.uid}), in a world-writable folder`;
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
      throw unsafe(directory, `another process replaced ${step} while it was opened`);
  }
  return made;
}

/** Leaves the working directory, then removes it and its parents, `count` folders in all, until one is not empty. */
export function removeEntered(count: number): void {
  try {
    for (let left = count; left > 0; left--) {
      const name = basename(process.cwd());
      process.chdir("..");
      rmdirSync(name);
    }
  } catch {
    // Another process is using the folder.
  }
}

/** Returns false if the name is taken. */
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
