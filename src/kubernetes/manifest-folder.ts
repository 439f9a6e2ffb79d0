import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  type Dirent,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  type Stats,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { errorCode, errorText, UserError } from "../lib/errors.ts";
import { enterFolder, removeEntered } from "./enter-folder.ts";
import { type ManifestFile, type Provenance, readProvenance } from "./manifest-file.ts";

interface WrittenManifests {
  readonly written: number;
  /** Names of files from an earlier run that are not in the new set. */
  readonly removed: readonly string[];
}

/**
 * Makes `directory` hold exactly these files of ours, and leaves other people's files alone. Changed files are first written
 * under temporary names that kubectl does not read, so that a full disk changes nothing, and then renamed into place. If a
 * run is interrupted, each file is either old or new, and the next run completes the set.
 * Synchronous, because it makes `directory` the working directory.
 * @param onFile receives each name once the file is written
 * @throws {UserError} `file-unwritable`
 */
export function writeManifests(
  directory: string,
  files: Iterable<ManifestFile>,
  onFile: (name: string) => void = () => {},
): WrittenManifests {
  let home: string | undefined;
  try {
    home = process.cwd();
    return replaceFiles(directory, files, onFile);
  } catch (error) {
    const code = errorCode(error);
    if (error instanceof UserError || code === undefined) throw error;
    throw unwritable(directory, REASONS[code] ?? errorText(error), { cause: error });
  } finally {
    if (home !== undefined) process.chdir(home);
  }
}

/** Reasons that need other words for a folder than for a file. */
const REASONS: Readonly<Record<string, string>> = {
  ENOTDIR: "it or a part of its path is a file, not a folder",
  ELOOP: "its symbolic links go round in a circle",
  ENAMETOOLONG: "the name is too long",
};

function unwritable(directory: string, reason: string, options?: { cause: unknown }): UserError {
  const hint = "Fix that and run the same command again, or choose another folder with --output-directory.";
  return new UserError("file-unwritable", `cannot write to ${directory}: ${reason}`, hint, options);
}

function replaceFiles(
  directory: string,
  files: Iterable<ManifestFile>,
  onFile: (name: string) => void,
): WrittenManifests {
  const made = enterFolder(directory);
  /** By final file name. */
  const temporary = new Map<string, string>();
  /** Inodes by file name. Renaming a file keeps its inode. */
  const inodes = new Map<string, number>();
  try {
    const present = new Map(listEntries().map((entry) => [entry.name, entry]));
    removeAbandoned(present.keys());
    for (const { name, text } of files) {
      if (name !== basename(name) || inodes.has(name)) throw new Error(`not a file name of its own: ${name}`);
      const entry = present.get(name);
      if (entry?.isDirectory()) throw isFolder(join(directory, name));
      let inode = inodeIfUnchanged(entry, text);
      if (inode === undefined) {
        const place = temporaryName();
        temporary.set(name, place);
        writeFileSync(place, text, { flag: "wx" });
        inode = lstatSync(place).ino;
      }
      inodes.set(name, inode);
      onFile(name);
    }
    for (const [name, place] of temporary) {
      renameSync(place, name);
      temporary.delete(name);
    }
  } catch (error) {
    for (const place of temporary.values()) rmSync(place, { force: true });
    removeEntered(made);
    throw error;
  }
  const removed = findObsolete(inodes);
  for (const name of removed) rmSync(name, { force: true });
  // Of two concurrent runs, at least the one whose files were replaced or removed reports it.
  for (const [name, inode] of inodes) {
    if (lstatSync(name, { throwIfNoEntry: false })?.ino !== inode)
      throw unwritable(directory, `another process changed ${name} at the same time`);
  }
  return { written: inodes.size, removed };
}

function isFolder(path: string): UserError {
  const hint = "rename it, or choose another folder with --output-directory";
  return new UserError("file-unwritable", `cannot write ${path}: it is a folder`, hint);
}

function listEntries(): Dirent[] {
  return readdirSync(".", { withFileTypes: true });
}

/** kubectl reads only files ending in .json, .yaml or .yml. */
const TEMPORARY = /^\.chain-link-(\d+)-[0-9a-f]{12}\.tmp$/;

function temporaryName(): string {
  return `.chain-link-${process.pid}-${randomBytes(6).toString("hex")}.tmp`;
}

/** Removes temporary files left by killed runs. */
function removeAbandoned(names: Iterable<string>): void {
  for (const name of names) {
    const [, pid] = TEMPORARY.exec(name) ?? [];
    if (pid !== undefined && !isRunning(Number(pid))) rmSync(name, { force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorCode(error) === "EPERM";
  }
}

/**
 * Returns the inode of a file of ours that already has this text. Such a file is not rewritten: its modification time stays,
 * and ext4 creates files several times more slowly for minutes after as many were deleted. Another user's file is replaced,
 * because its owner could change it later.
 */
function inodeIfUnchanged(entry: Dirent | undefined, text: string): number | undefined {
  const found = entry === undefined ? undefined : readRegular(entry);
  const isOurs = found?.text === text && found.stats.uid === process.geteuid?.();
  return isOurs ? found?.stats.ino : undefined;
}

/** Longer files are not manifests: the API server accepts 3 MiB. */
const MAX_MANIFEST_BYTES = 4 * 1024 ** 2;

/** Opens without following a symbolic link or blocking on a named pipe. */
function readRegular({ name }: Dirent): { readonly text: string; readonly stats: Stats } | undefined {
  let file: number | undefined;
  try {
    file = openSync(name, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const stats = fstatSync(file);
    if (!stats.isFile() || stats.size > MAX_MANIFEST_BYTES) return undefined;
    return { text: readFileSync(file, "utf8"), stats };
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

/** Returns the names of our files that are not in `current`. A bare Namespace counts if one of those files is in that namespace. */
function findObsolete(current: ReadonlyMap<string, unknown>): string[] {
  const others = listEntries().filter(({ name }) => !current.has(name));
  const found = others.map((entry) => ({ name: entry.name, ...inspectFile(entry) }));
  const namespaces = new Set(found.flatMap((it) => (it.kind === "ours" ? [it.namespace] : [])));
  return found
    .filter((it) => it.kind !== "foreign" && (it.kind === "ours" || namespaces.has(it.namespace)))
    .map(({ name }) => name)
    .sort();
}

function inspectFile(entry: Dirent): Provenance {
  const found = entry.isFile() && MANIFEST_NAME.test(entry.name) ? readRegular(entry) : undefined;
  return found === undefined ? { kind: "foreign" } : readProvenance(entry.name, found.text);
}

const MANIFEST_NAME = /-[a-z]+\.yaml$/;
