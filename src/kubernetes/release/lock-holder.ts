import { readFileSync, readlinkSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { isRecord } from "../../lib/record.ts";

/** A process that holds a lock, described so that another process of the same machine can tell whether it lives. */
interface LockHolder {
  readonly user: string;
  readonly host: string;
  /** Changes with each start of the machine; empty where the system does not say. */
  readonly boot: string;
  /** The name space of process ids; empty where there is but one. */
  readonly pidNamespace: string;
  readonly pid: number;
  /** When the process started: ids are used again. */
  readonly start: string;
}

export function describeSelf(): LockHolder {
  return {
    user: userName(),
    host: hostname(),
    boot: readText("/proc/sys/kernel/random/boot_id"),
    pidNamespace: readLink("/proc/self/ns/pid"),
    pid: process.pid,
    start: readStart(process.pid),
  };
}

export function formatLockHolder({ user, host, pid }: LockHolder): string {
  return `${user} on ${host} (process ${pid})`;
}

export function parseLockHolder(text: string | undefined): LockHolder | null {
  try {
    const holder: unknown = JSON.parse(text ?? "");
    return isRecord(holder) && typeof holder.pid === "number" ? (holder as unknown as LockHolder) : null;
  } catch {
    return null;
  }
}

/** True only when it is certain: the process was one of this machine, and is gone. */
export function isDead(holder: LockHolder): boolean {
  const self = describeSelf();
  if (holder.host !== self.host || holder.pidNamespace !== self.pidNamespace) return false;
  // Started again since, or another machine of the same name: the lock then runs out by itself.
  if (holder.boot !== self.boot) return false;
  try {
    process.kill(holder.pid, 0);
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ESRCH";
  }
  return holder.start !== readStart(holder.pid);
}

/** The 22nd field of a process's record, counted behind its name, which may hold spaces. */
function readStart(pid: number): string {
  const fields = readText(`/proc/${pid}/stat`).split(") ").at(-1)?.split(" ") ?? [];
  return fields[19] ?? "";
}

function readText(path: string): string {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return "";
  }
}

function readLink(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return "";
  }
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return `user ${process.getuid?.() ?? ""}`.trim();
  }
}
