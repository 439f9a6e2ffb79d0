import { randomBytes } from "node:crypto";
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { basename, dirname, join } from "node:path";
import { UserError } from "../lib/errors.ts";

/**
 * A hidden folder in which a run prepares files for another folder, on the same file system:
 *
 *     .manifests.chain-link-run-<host>-<pid>-<random>/
 *         new/     what shall appear
 *         old/     what it replaces; wanted back if the run dies
 *         trash/   what nobody wants back
 *     .manifests.chain-link-lock-<host>-<pid>-<random>    while the two are exchanged
 */
export interface Staging {
  readonly newPath: string;
  readonly oldPath: string;
  readonly trashPath: string;
  /** Beside the folder; otherwise inside, because the folder's parent is not writable or another file system. */
  readonly isBeside: boolean;
  /** Runs `work` while no other run of this folder does. Waits for it up to 30 s. */
  withLock<T>(work: () => T): T;
  /** Whether an entry of the folder belongs to some run's staging. */
  isStaging(name: string): boolean;
  close(): void;
}

/**
 * Opens a staging for `folder`, which need not exist, but its parent must. Puts back what a killed run had moved
 * away, and deletes the rest of it. Throws system errors.
 */
export function openStaging(folder: string): Staging {
  const beside = openBeside(folder);
  if (beside !== undefined) {
    // Under the lock, because another run takes the folder away for a moment.
    const canServe = beside.withLock(() => {
      beside.recover();
      return !existsSync(folder) || beside.canMoveInto(folder);
    });
    if (canServe) return beside;
    beside.close();
  }
  const inside = new FolderStaging(folder, folder, INSIDE_PREFIX);
  inside.withLock(() => inside.recover());
  return inside;
}

/** Undefined where the parent takes no folder but `folder` exists, and can hold the staging itself. */
function openBeside(folder: string): FolderStaging | undefined {
  const parent = dirname(folder);
  if (parent === folder) return undefined;
  try {
    return new FolderStaging(folder, parent, `.${basename(folder)}.chain-link-`);
  } catch (error) {
    if (existsSync(folder)) return undefined;
    throw error;
  }
}

const INSIDE_PREFIX = ".chain-link-";
const LOCK_WAIT_MS = 30_000;
const LOCK_RETRY_MS = 20;
/** No run takes this long: what is older was left behind, on whatever host. */
const MAX_AGE_MS = 3_600_000;
/** Process ids say nothing on another host that shares the folder. */
const HOST = new Bun.CryptoHasher("sha256").update(hostname()).digest("hex").slice(0, 8);

class FolderStaging implements Staging {
  readonly newPath: string;
  readonly oldPath: string;
  readonly trashPath: string;
  readonly isBeside: boolean;
  readonly #folder: string;
  readonly #root: string;
  readonly #prefix: string;
  readonly #identity = `${HOST}-${process.pid}-${randomBytes(6).toString("hex")}`;
  readonly #path: string;

  constructor(folder: string, root: string, prefix: string) {
    this.#folder = folder;
    this.#root = root;
    this.#prefix = prefix;
    this.#path = join(root, `${prefix}run-${this.#identity}`);
    this.newPath = join(this.#path, "new");
    this.oldPath = join(this.#path, "old");
    this.trashPath = join(this.#path, "trash");
    this.isBeside = root !== folder;
    mkdirSync(this.#path, { mode: 0o700 });
    mkdirSync(this.newPath);
  }

  /** A mount point can have the device number of its parent, so only trying tells. */
  canMoveInto(folder: string): boolean {
    const probe = join(this.#path, "probe");
    const arrived = join(folder, `${INSIDE_PREFIX}run-${this.#identity}`);
    try {
      writeFileSync(probe, "");
      renameSync(probe, arrived);
      unlinkSync(arrived);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * A ticket for each who wants the lock; who finds no other ticket beside its own holds it, the others withdraw
   * and try again. Unlike one common lock file, the ticket of a dead process can be deleted without a race.
   */
  withLock<T>(work: () => T): T {
    const ticket = join(this.#root, `${this.#prefix}lock-${this.#identity}`);
    const giveUpAt = performance.now() + LOCK_WAIT_MS;
    for (;;) {
      writeFileSync(ticket, "", { flag: "wx" });
      const holder = this.#findOther("lock");
      if (holder === undefined) break;
      rmSync(ticket, { force: true });
      if (performance.now() > giveUpAt) {
        throw new UserError(
          "file-unwritable",
          `cannot write to ${this.#folder}: another chain-link has been writing to it for ${LOCK_WAIT_MS / 1000} s`,
          `wait for it to end; if none runs, delete ${join(this.#root, holder)}`,
        );
      }
      Bun.sleepSync(LOCK_RETRY_MS * (0.5 + Math.random()));
    }
    try {
      return work();
    } finally {
      rmSync(ticket, { force: true });
    }
  }

  isStaging(name: string): boolean {
    return TEMPORARY.test(name.slice(INSIDE_PREFIX.length)) && name.startsWith(INSIDE_PREFIX);
  }

  recover(): void {
    for (const name of this.#list("run").filter((run) => this.#isAbandoned(run))) {
      try {
        const path = join(this.#root, name);
        restore(join(path, "old"), this.#folder);
        rmSync(path, { recursive: true, force: true });
      } catch {
        // It may be somebody else's to delete; this run can do without.
      }
    }
  }

  close(): void {
    try {
      // Empty-handed unless the exchange failed, and so did its undoing.
      restore(this.oldPath, this.#folder);
      rmSync(this.#path, { recursive: true, force: true });
    } catch {
      // The next run deletes it.
    }
  }

  #findOther(use: "lock"): string | undefined {
    for (const name of this.#list(use)) {
      if (!this.#isAbandoned(name)) return name;
      rmSync(join(this.#root, name), { force: true });
    }
    return undefined;
  }

  /** Names in the root that other runs made for this use. */
  #list(use: "run" | "lock"): string[] {
    return readdirSync(this.#root).filter(
      (name) =>
        name.startsWith(`${this.#prefix}${use}-`) &&
        TEMPORARY.test(name.slice(this.#prefix.length)) &&
        !name.endsWith(this.#identity),
    );
  }

  #isAbandoned(name: string): boolean {
    const [, , host, pid] = TEMPORARY.exec(name.slice(this.#prefix.length)) ?? [];
    if (host === HOST && !isAlive(Number(pid))) return true;
    const stats = lstatSync(join(this.#root, name), { throwIfNoEntry: false });
    return stats === undefined || Date.now() - stats.mtimeMs > MAX_AGE_MS;
  }
}

/** Use, host, process id and a random part. */
const TEMPORARY = /^(run|lock)-([0-9a-f]{8})-(\d+)-[0-9a-f]{12}$/;

/** A run never overlaps another of its own process: it does not give up control. */
function isAlive(pid: number): boolean {
  if (pid === process.pid) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "EPERM";
  }
}

function restore(oldPath: string, folder: string): void {
  if (!existsSync(oldPath)) return;
  if (!existsSync(folder)) {
    renameSync(oldPath, folder);
    return;
  }
  for (const name of readdirSync(oldPath)) {
    const place = join(folder, name);
    if (lstatSync(place, { throwIfNoEntry: false }) === undefined) renameSync(join(oldPath, name), place);
  }
}
