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

/**
 * Returns a memory figure of a running process in bytes, by its name in `/proc/PID/status`; `Pss` divides shared pages
 * among the processes that share them. Linux only; 0 elsewhere.
 */
export function readMemory(pid: number, field: "VmRSS" | "VmHWM" | "RssAnon" | "Pss"): number {
  try {
    const text = readFileSync(`/proc/${pid}/${field === "Pss" ? "smaps_rollup" : "status"}`, "utf8");
    return Number(new RegExp(`^${field}:\\s+(\\d+) kB$`, "m").exec(text)?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

/** Returns a process and all its descendants. */
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

/** Starts `up -o json` and waits until it prints its line. */
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

/** Clock ticks per second in /proc; always 100 for user programs on Linux. */
const TICK_MICROS = 10_000;

/** Returns the user and system time that processes have used (Linux only). */
export function readCpuMicros(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Fields 14 and 15 of proc(5); the split text starts with the third.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return sum + (Number(fields[11]) + Number(fields[12])) * TICK_MICROS;
  }, 0);
}

/** Returns loopback ports that are free now. */
export function findPorts(count: number): number[] {
  const listeners = Array.from({ length: count }, () =>
    Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } }),
  );
  for (const listener of listeners) listener.stop(true);
  return listeners.map(({ port }) => port);
}

/** Waits until a program listens. */
export async function waitForPort(hostname: string, port: number, program: string): Promise<void> {
  for (let attempt = 0; attempt < 200; attempt++) {
    try {
      const socket = await Bun.connect({ hostname, port, socket: { data() {} } });
      socket.end();
      return;
    } catch {
      await Bun.sleep(50);
    }
  }
  throw new Error(`nothing listens on ${hostname}:${port}: ${program}`);
}
