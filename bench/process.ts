import { readFileSync } from "node:fs";
import { join } from "node:path";

/** The executable as users start it. */
export const EXECUTABLE = join(import.meta.dir, "../bin/chain-link");

/** The runtime that the executable runs on. */
export const BUN = process.execPath;

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/** Bytes of a running process by the name in `/proc/PID/status` (Linux only; 0 elsewhere). */
export function readMemory(pid: number, field: "VmRSS" | "VmHWM" | "RssAnon"): number {
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(status)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Processes below one, itself included. */
export function processTree(pid: number): number[] {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  return [
    pid,
    ...children
      .split(" ")
      .filter(Boolean)
      .flatMap((child) => processTree(Number(child))),
  ];
}

export interface Up {
  readonly pid: number;
  readonly readyMs: number;
  readonly entry: string;
  readonly collector: string;
  readonly links: readonly { readonly name: string; readonly url: string }[];
  stop(): Promise<number>;
}

/** Starts `up -o json` and waits for its line. */
export async function startUp(args: readonly string[]): Promise<Up> {
  const startMs = performance.now();
  const child = Bun.spawn([EXECUTABLE, "up", "-o", "json", "--port", "0", ...args], {
    stdout: "pipe",
    stderr: "inherit",
  });
  const reader = child.stdout.getReader();
  let text = "";
  while (!text.includes("\n")) {
    const { value, done } = await reader.read();
    if (done) throw new Error("up ended before it was ready");
    text += new TextDecoder().decode(value);
  }
  return {
    ...JSON.parse(text),
    pid: child.pid,
    readyMs: performance.now() - startMs,
    stop: () => {
      child.kill("SIGINT");
      return child.exited;
    },
  };
}
