import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** The executable as users start it. */
export const EXECUTABLE = join(import.meta.dir, "../../bin/chain-link");

export interface Finished {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  /** Variables that are added to an environment without chain-link's own. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  readonly stdin?: string;
}

/** Runs the executable until it exits. */
export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = Bun.spawn([EXECUTABLE, ...args], {
    stdin: new TextEncoder().encode(options.stdin ?? ""),
    stdout: "pipe",
    stderr: "pipe",
    env: cleanEnvironment(options.env),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  });
  const [stdout, stderr, exitCode] = await Promise.all([
    child.stdout.text(),
    child.stderr.text(),
    child.exited,
  ]);
  return { exitCode, stdout, stderr };
}

/** Output of `up -o json`. */
export interface UpFacts {
  readonly name: string;
  readonly page: string | null;
  readonly collector: string;
  readonly entry: string;
  readonly links: readonly { readonly name: string; readonly url: string }[];
}

export interface RunningUp {
  readonly facts: UpFacts;
  readonly pid: number;
  /** Returns standard output so far. */
  readonly stdout: () => string;
  readonly signal: (name: "SIGINT" | "SIGTERM" | "SIGKILL") => void;
  readonly exited: Promise<number>;
}

/** Starts `up -o json` and waits until it reports that all links are ready. */
export async function startUp(args: readonly string[], options: RunOptions = {}): Promise<RunningUp> {
  const child = Bun.spawn([EXECUTABLE, "up", "-o", "json", ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: cleanEnvironment(options.env),
  });
  let text = "";
  const { promise: ready, resolve, reject } = Promise.withResolvers<void>();
  void (async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes("\n")) resolve();
    }
    reject(new Error(`up ended before it was ready: ${await child.stderr.text()}`));
  })();
  await ready;
  return {
    facts: JSON.parse(text.slice(0, text.indexOf("\n"))),
    pid: child.pid,
    stdout: () => text,
    signal: (name) => child.kill(name),
    exited: child.exited,
  };
}

/** Creates a folder that is removed at the end of the test. */
export function temporaryFolder(): { readonly path: string; [Symbol.dispose](): void } {
  const path = mkdtempSync(join(tmpdir(), "chain-link-test-"));
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true, force: true }) };
}

/** Polls until `probe` returns a value. The timeout only ends a failing test. */
export async function eventually<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  withinMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined) return value;
    if (performance.now() > deadline) throw new Error("what the test waits for did not happen");
    await Bun.sleep(20);
  }
}

function cleanEnvironment(added: RunOptions["env"]): Record<string, string> {
  const kept = Object.entries(process.env).filter(
    ([name, value]) => value !== undefined && !/^(CHAIN_LINK_|OTEL_|PORT$|NO_COLOR$)/.test(name),
  );
  return { ...(Object.fromEntries(kept) as Record<string, string>), ...added };
}
