import type { Stats } from "node:fs";

const WRITABLE_BY_ALL = 0o002;

/**
 * Whether a link or folder may be a trap: another user put it into a folder that everybody may write to, such as /tmp.
 * This is the rule of Linux's `protected_symlinks` (proc_sys_fs(5)), which the kernel leaves off by default and which a
 * container cannot rely on.
 * @param parent the folder that holds it
 */
export function isPlanted(found: Stats, parent: Stats): boolean {
  const isShared = (parent.mode & WRITABLE_BY_ALL) !== 0;
  return isShared && found.uid !== process.geteuid?.() && found.uid !== parent.uid;
}
