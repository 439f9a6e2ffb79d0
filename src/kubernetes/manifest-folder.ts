import {
  type Dirent,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmdirSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import { type FolderContent, swapIn } from "./folder-swap.ts";
import { type ManifestFile, type Provenance, readProvenance } from "./manifest-file.ts";
import { openStaging, type Staging } from "./staging.ts";

export interface WrittenManifests {
  readonly written: number;
  /** Names of files of an earlier run that are no longer part of the set. */
  readonly removed: readonly string[];
}

/**
 * Makes `directory` hold these files and none of ours besides; what is not ours stays, unless it has the name
 * of one of the files. All files are written beside it first, so a failure leaves the folder as it was.
 * Synchronous: the kernel's part dominates, asynchronous writes took no less processor time, and a process never meets itself.
 * @param onFile is told each name when the file is written
 * @throws {UserError} `file-unwritable`
 */
export function writeManifests(
  directory: string,
  files: Iterable<ManifestFile>,
  onFile: (name: string) => void = () => {},
): WrittenManifests {
  try {
    return replaceFolder(directory, files, onFile);
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof UserError || code === undefined) throw error;
    throw new UserError(
      "file-unwritable",
      `cannot write to ${directory}: ${REASONS[code] ?? errorText(error)}`,
      "Mend that, or choose another folder with --output-directory.",
      { cause: error },
    );
  }
}

/** What is said otherwise of a folder than of a file. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: "it or a part of its path is a file, not a folder",
  EEXIST: "it is a file, not a folder",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "the name is too long",
};

function replaceFolder(
  directory: string,
  files: Iterable<ManifestFile>,
  onFile: (name: string) => void,
): WrittenManifests {
  const path = followLinks(resolve(directory));
  const made = makeParent(path);
  let staging: Staging | undefined;
  try {
    const folder = join(realpathSync(dirname(path)), basename(path));
    const current = openStaging(folder);
    staging = current;
    const names = stageFiles(files, current.newPath, folder, onFile);
    const content = current.withLock(() => {
      const found = readFolder(directory, folder, names, current);
      swapIn(current, folder, names, found);
      return found;
    });
    current.close();
    return { written: names.size, removed: content.obsolete };
  } catch (error) {
    staging?.close();
    for (const parent of made) removeIfEmpty(parent);
    throw error;
  }
}

/** The folders made on the way to `path`, innermost first. */
function makeParent(path: string): string[] {
  const parent = dirname(path);
  const first = mkdirSync(parent, { recursive: true });
  const made: string[] = [];
  if (first === undefined) return made;
  for (let folder = parent; folder.length >= first.length; folder = dirname(folder)) made.push(folder);
  return made;
}

function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Somebody else uses it by now.
  }
}

/** What can be renamed, exists or not: the folder that a link stands for, so that the link keeps its meaning. */
function followLinks(path: string): string {
  let target = path;
  for (let links = 0; links <= MAX_LINKS; links++) {
    const stats = lstatSync(target, { throwIfNoEntry: false });
    if (stats === undefined || stats.isDirectory()) return target;
    // Says what is wrong about a file in its error.
    if (!stats.isSymbolicLink()) mkdirSync(target);
    target = resolve(dirname(target), readlinkSync(target));
  }
  return realpathSync(path);
}

/** After as many Linux gives up with ELOOP. */
const MAX_LINKS = 40;

function stageFiles(
  files: Iterable<ManifestFile>,
  newPath: string,
  folder: string,
  onFile: (name: string) => void,
): Set<string> {
  const names = new Set<string>();
  // Trying to read 20,000 files that are not there would cost 0.2 s.
  const present = new Set(listFolder(folder).map((entry) => entry.name));
  for (const { name, text } of files) {
    if (name !== basename(name) || names.has(name)) throw new Error(`not a file name of its own: ${name}`);
    const path = join(newPath, name);
    const isKept = present.has(name) && keepUnchanged(join(folder, name), path, text);
    if (!isKept) writeFileSync(path, text, { flag: "wx" });
    names.add(name);
    onFile(name);
  }
  return names;
}

/**
 * Where the file is there already with this very text, takes it over by a hard link. Its time of change stays,
 * and ext4 is spared: it gets several times slower at making files within minutes of as many being deleted.
 */
function keepUnchanged(previous: string, path: string, text: string): boolean {
  try {
    if (readFileSync(previous, "utf8") !== text) return false;
    linkSync(previous, path);
  } catch {
    return false;
  }
  // Another run may have replaced it between reading and linking.
  if (lstatSync(path).isFile() && readFileSync(path, "utf8") === text) return true;
  unlinkSync(path);
  return false;
}

function readFolder(
  directory: string,
  folder: string,
  names: ReadonlySet<string>,
  staging: Staging,
): FolderContent {
  const entries = listFolder(folder).filter((entry) => !staging.isStaging(entry.name));
  const obstacle = entries.find((entry) => names.has(entry.name) && entry.isDirectory());
  if (obstacle !== undefined) {
    throw new UserError(
      "file-unwritable",
      `cannot write ${join(directory, obstacle.name)}: it is a folder`,
      "rename it, or choose another folder with --output-directory",
    );
  }
  const others = entries.filter((entry) => !names.has(entry.name));
  const obsolete = findObsolete(folder, entries, others);
  return {
    present: new Set(entries.map((entry) => entry.name)),
    obsolete,
    hasForeign: obsolete.length < others.length,
  };
}

function listFolder(folder: string): Dirent[] {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

/** Names of our files among `others`. A bare Namespace counts where a file of ours is in that namespace. */
function findObsolete(folder: string, entries: readonly Dirent[], others: readonly Dirent[]): string[] {
  return others
    .filter((entry) => {
      const found = inspectFile(folder, entry);
      if (found.kind !== "bare-namespace") return found.kind === "ours";
      return entries.some((neighbour) => {
        const beside = inspectFile(folder, neighbour);
        return beside.kind === "ours" && beside.namespace === found.namespace;
      });
    })
    .map((entry) => entry.name)
    .sort();
}

function inspectFile(folder: string, entry: Dirent): Provenance {
  if (!entry.isFile() || !MANIFEST_NAME.test(entry.name)) return { kind: "foreign" };
  try {
    return readProvenance(entry.name, readFileSync(join(folder, entry.name), "utf8"));
  } catch {
    return { kind: "foreign" };
  }
}

const MANIFEST_NAME = /-[a-z]+\.yaml$/;
