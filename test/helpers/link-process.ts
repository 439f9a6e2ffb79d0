import { EXECUTABLE, eventually } from "./cli.ts";

/** `chain-link link` as a process of its own. */
export interface LinkProcess {
  readonly url: string;
  readonly pid: number;
  /** Everything on standard error so far. */
  readonly stderr: () => string;
  readonly stdout: () => string;
  readonly kill: (signal: "SIGINT" | "SIGTERM" | "SIGKILL") => void;
  readonly exited: Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts it, on a free port unless one is given; resolves when it listens. */
export async function startLinkProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  port = 0,
): Promise<LinkProcess> {
  const child = Bun.spawn([EXECUTABLE, "link", "--host", "127.0.0.1", "--port", String(port), ...args], {
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
    env: { ...process.env, ...env },
  });
  let stderr = "";
  let stdout = "";
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  const readStderr = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stderr) {
      stderr += decoder.decode(chunk, { stream: true });
      const url = /listening on (\S+)/.exec(stderr)?.[1];
      if (url !== undefined) resolve(url);
    }
    reject(new Error(`the link ended before it listened: ${stderr}`));
  };
  const readStdout = async () => {
    const decoder = new TextDecoder();
    for await (const chunk of child.stdout) stdout += decoder.decode(chunk, { stream: true });
  };
  const read = Promise.all([readStderr(), readStdout()]);
  // A port that was asked for is not told.
  if (port !== 0) resolve(await untilReady(`http://127.0.0.1:${port}`));
  const url = await listening;
  return {
    url,
    pid: child.pid,
    stderr: () => stderr,
    stdout: () => stdout,
    kill: (signal) => child.kill(signal),
    exited: child.exited.then(async (code) => {
      await read;
      return code;
    }),
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.exited;
    },
  };
}

function untilReady(url: string): Promise<string> {
  return eventually(async () => {
    const response = await fetch(`${url}/readiness`).catch(() => null);
    return response?.ok ? url : undefined;
  });
}
