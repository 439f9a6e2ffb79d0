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

/** `-` and the names of descriptors that the process was started with, such as those of `>(program)`. */
const DESCRIPTOR = /^(?:-|\/dev\/std(?:out|err)|\/(?:dev|proc\/self)\/fd\/(\d+))$/;

/** As many as Linux follows. */
const MAX_LINKS = 40;

/**
 * A result on its way into a file. It is written to a temporary file in the same folder, which takes the place of the old
 * one when it is whole: a full disk, an error or Ctrl-C leaves what was there before. Descriptors, pipes and devices are
 * written directly. See docs/decisions/0036-result-files.md.
 */
export class ResultFile {
  readonly #path: string;
  /** The file to replace, after following symbolic links. */
  readonly #target: string;
  /** `null` when the target itself is written. */
  #temporary: string | null = null;
  #descriptor: number;
  /** Descriptors of the process are not ours to close. */
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
      // A file that may not be written stays, although the folder would allow to replace it.
      if (old !== undefined) closeSync(openSync(path, "r+"));
      this.#descriptor = this.#openTemporary(old);
    } catch (error) {
      throw unwritable(path, error);
    }
  }

  /** @throws {UserError} `file-unwritable`, and the old file is left as it was */
  write(data: string | Uint8Array): void {
    const bytes = typeof data === "string" ? Buffer.from(data) : data;
    this.#guard(() => {
      for (let at = 0; at < bytes.length; ) at += writeSome(this.#descriptor, bytes, at);
    });
  }

  /**
   * Puts what was written so far into its place. What is written later is appended to it.
   * @throws {UserError} `file-unwritable`, and the old file is left as it was
   */
  publish(): void {
    const temporary = this.#temporary;
    if (temporary === null) return;
    this.#guard(() => {
      // A network or a quota may refuse only now what it took before.
      fsyncSync(this.#descriptor);
      try {
        renameSync(temporary, this.#target);
      } catch (error) {
        // A file that is mounted into a container cannot be replaced.
        if (errorCode(error) !== "EBUSY") throw error;
        copyFileSync(temporary, this.#target);
        rmSync(temporary);
        closeSync(this.#descriptor);
        this.#descriptor = openSync(this.#target, "a");
      }
    });
    this.#forget();
  }

  /** @throws {UserError} `file-unwritable`, and the old file is left as it was */
  finish(): void {
    this.publish();
    this.#guard(() => this.#close());
  }

  /** Gives up what is not published; the old file stays. */
  discard(): void {
    try {
      this.#close();
    } catch {
      // An error at the end of a file that is given up does not matter.
    }
    if (this.#temporary !== null) rmSync(this.#temporary, { force: true });
    this.#forget();
  }

  #openTemporary(old: Stats | undefined): number {
    // A name that nobody can guess, and O_EXCL: another user may not plant a file or a link there.
    const name = `.${basename(this.#target).slice(0, 100)}.${randomBytes(8).toString("hex")}.tmp`;
    const temporary = join(dirname(this.#target), name);
    let descriptor: number;
    try {
      const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
      descriptor = openSync(temporary, flags, old === undefined ? 0o666 : 0o600);
    } catch (error) {
      // The file may be written but its folder may not, as with a single file that is mounted into a container.
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
 * Fails where {@link writeResultFile} would, so that a run is not made in vain. Leaves everything as it is.
 * @throws {UserError} `file-unwritable`
 */
export function checkResultFile(path: string): void {
  // To open a named pipe would wait for its reader.
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

/** As the kernel does where it protects links. */
function permissionDenied(): Error {
  return Object.assign(new Error("a link of another user"), { code: "EACCES" });
}

function keepOwner(descriptor: number, { mode, uid, gid }: Stats): void {
  try {
    if (uid !== process.getuid?.() || gid !== process.getgid?.()) fchownSync(descriptor, uid, gid);
  } catch {
    // Only root may give a file away.
  }
  fchmodSync(descriptor, mode & 0o7777);
}

/** Waits for a full pipe that another process made non-blocking. */
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

/** Results whose temporary file must not outlive the process. */
const unfinished = new Set<ResultFile>();

const SIGNALS = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;

const onSignal = (signal: keyof typeof SIGNALS) => {
  // A command that ends cleanly at a signal has a listener of its own.
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
