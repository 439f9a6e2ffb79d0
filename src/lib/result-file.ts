import { randomBytes } from "node:crypto";
import {
  closeSync,
  constants,
  copyFileSync,
  fchmodSync,
  fchownSync,
  fsyncSync,
  lstatSync,
  openSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import { errorCode } from "./errors.ts";
import { isPlanted } from "./planted.ts";
import { unwritable } from "./unwritable.ts";

/** `-`, and the names of descriptors that the process inherited, such as those of `>(program)`. */
const DESCRIPTOR = /^(?:-|\/dev\/std(?:out|err)|\/(?:dev|proc\/self)\/fd\/(\d+))$/;

/** The limit of Linux. */
const MAX_LINKS = 40;

/**
 * A result file that is being written. The bytes go to a temporary file in the same folder, which replaces the old file
 * once it is complete: a full disk, an error or Ctrl-C leaves the old file untouched. Descriptors, pipes and devices
 * are written directly. See docs/decisions/0036-result-files.md.
 */
export class ResultFile {
  readonly #path: string;
  /** The file to replace, after following symbolic links. */
  readonly #target: string;
  /** `null` when the target is written directly. */
  #temporary: string | null = null;
  #descriptor: number;
  /** Descriptors that the process inherited must stay open. */
  #isOurs = true;

  /** @throws {UserError} `file-unwritable` */
  constructor(path: string) {
    this.#path = path;
    this.#target = path;
    try {
      const [, number = path.endsWith("err") ? "2" : "1"] = DESCRIPTOR.exec(path) ?? [];
      if (DESCRIPTOR.test(path)) {
        this.#descriptor = Number(number);
        this.#isOurs = false;
        return;
      }
      const old = statSync(path, { throwIfNoEntry: false });
      if (old !== undefined && !old.isFile() && !old.isDirectory()) {
        this.#descriptor = openSync(path, "w");
        return;
      }
      this.#target = followLinks(path);
      // A read-only file is not replaced, although the permissions of its folder would allow it.
      if (old !== undefined) closeSync(openSync(path, "r+"));
      this.#descriptor = this.#openTemporary(old);
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /** @throws {UserError} `file-unwritable`; the old file is left unchanged */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.#guard(() => {
      for (let at = 0; at < bytes.length; ) at += writeSome(this.#descriptor, bytes, at);
    });
  }

  /**
   * Moves what has been written so far into place. Later writes append to it.
   * @throws {UserError} `file-unwritable`; the old file is left unchanged
   */
  publish(): void {
    const temporary = this.#temporary;
    if (temporary === null) return;
    this.#guard(() => {
      // A network file system or a quota may refuse only here what it accepted before.
      fsyncSync(this.#descriptor);
      try {
        renameSync(temporary, this.#target);
      } catch (error) {
        // A file that is bind-mounted into a container cannot be replaced.
        if (errorCode(error) !== "EBUSY") throw error;
        copyFileSync(temporary, this.#target);
        rmSync(temporary);
        closeSync(this.#descriptor);
        this.#descriptor = openSync(this.#target, "a");
      }
    });
    this.#forget();
  }

  /** @throws {UserError} `file-unwritable`; the old file is left unchanged */
  finish(): void {
    this.publish();
    this.#guard(() => this.#close());
  }

  /** Discards what is not yet published; the old file stays. */
  discard(): void {
    try {
      this.#close();
    } catch {
      // The file is discarded anyway.
    }
    if (this.#temporary !== null) rmSync(this.#temporary, { force: true });
    this.#forget();
  }

  #openTemporary(old: Stats | undefined): number {
    // An unguessable name and O_EXCL: another user cannot plant a file or a link there.
    const name = `.${basename(this.#target).slice(0, 100)}.${randomBytes(8).toString("hex")}.tmp`;
    const temporary = join(dirname(this.#target), name);
    let descriptor: number;
    try {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      descriptor = openSync(temporary, flags, old === undefined ? 0o666 : 0o600);
    } catch (error) {
      // The file may be writable although its folder is not, as with a single file mounted into a container.
      if (old === undefined || !FIXED_FOLDER.has(errorCode(error) ?? "")) throw error;
      return openSync(this.#target, "w");
    }
    this.#temporary = temporary;
    remember(this);
    if (old !== undefined) keepOwner(descriptor, old);
    return descriptor;
  }

  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.discard();
      throw unwritable(this.#path, error);
    }
  }

  #close(): void {
    const descriptor = this.#descriptor;
    this.#descriptor = -1;
    if (this.#isOurs && descriptor >= 0) closeSync(descriptor);
  }

  #forget(): void {
    this.#temporary = null;
    forget(this);
  }
}

const FIXED_FOLDER: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS"]);

/** @throws {UserError} `file-unwritable` */
export function writeResultFile(path: string, text: string): void {
  const file = new ResultFile(path);
  file.write(text);
  file.finish();
}

/**
 * Fails where {@link writeResultFile} would, before a run is made in vain. Changes nothing.
 * @throws {UserError} `file-unwritable`
 */
export function checkResultFile(path: string): void {
  // Opening a named pipe would wait for its reader.
  if (!DESCRIPTOR.test(path) && !statSync(path, { throwIfNoEntry: false })?.isFIFO())
    new ResultFile(path).discard();
}

function followLinks(path: string): string {
  let target = path;
  for (let links = 0; links < MAX_LINKS; links++) {
    const found = lstatSync(target, { throwIfNoEntry: false });
    if (!found?.isSymbolicLink()) return target;
    if (isPlanted(found, statSync(dirname(target)))) throw permissionDenied();
    target = resolve(dirname(target), readlinkSync(target));
  }
  return target;
}

/** The kernel's answer when it protects links. */
function permissionDenied(): Error {
  return Object.assign(new Error("the link belongs to another user"), { code: "EACCES" });
}

function keepOwner(descriptor: number, { mode, uid, gid }: Stats): void {
  try {
    if (uid !== process.getuid?.() || gid !== process.getgid?.()) fchownSync(descriptor, uid, gid);
  } catch {
    // Only root may change a file's owner.
  }
  fchmodSync(descriptor, mode & 0o7777);
}

/** Waits while a pipe that another process made non-blocking is full. */
function writeSome(descriptor: number, bytes: Uint8Array, at: number): number {
  for (;;) {
    try {
      return writeSync(descriptor, bytes, at, bytes.length - at);
    } catch (error) {
      if (errorCode(error) !== "EAGAIN") throw error;
      Bun.sleepSync(FULL_PIPE_MS);
    }
  }
}

const FULL_PIPE_MS = 2;

/** Files whose temporary file must not outlive the process. */
const unfinished = new Set<ResultFile>();

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const onSignal = (signal: keyof typeof SIGNALS) => {
  // A command that handles the signal itself has its own listener.
  if (process.listenerCount(signal) === 1) process.exit(SIGNALS[signal]);
};
const onExit = () => {
  for (const file of unfinished) file.discard();
};

function remember(file: ResultFile): void {
  if (unfinished.size === 0) {
    process.on("exit", onExit);
    for (const signal of Object.keys(SIGNALS)) process.on(signal, onSignal);
  }
  unfinished.add(file);
}

function forget(file: ResultFile): void {
  if (!unfinished.delete(file) || unfinished.size > 0) return;
  process.off("exit", onExit);
  for (const signal of Object.keys(SIGNALS)) process.off(signal, onSignal);
}
