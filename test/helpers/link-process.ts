import { join } from "node:path";
import { EXECUTABLE, eventually, temporaryFolder } from "./cli.ts";

/** A `chain-link link` process. */
export interface LinkProcess {
  readonly url: string;
  readonly pid: number;
  /** Returns standard error so far. */
  readonly stderr: () => string;
  readonly stdout: () => string;
  readonly kill: (signal: "SIGINT" | "SIGTERM" | "SIGKILL") => void;
  readonly exited: Promise<number>;
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Starts a link, on a free port unless one is given. Resolves when it listens.
 * @param openFiles limit for `ulimit -n`; 0 keeps the current one
 */
export async function startLinkProcess(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  port = 0,
  openFiles = 0,
): Promise<LinkProcess> {
  const limited = openFiles === 0 ? [] : ["sh", "-c", `ulimit -n ${openFiles} && exec "$0" "$@"`];
  const command = [...limited, EXECUTABLE, "link", "--host", "127.0.0.1", "--port", String(port), ...args];
  const child = Bun.spawn(command, {
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
  // A link does not print a port that was requested.
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

/** Topology of {@link answerOnce}. */
const TWO = `apiVersion: chain-link.dev/v1
kind: Topology
metadata: { name: two }
services: { a: { entry: true, calls: [b] }, b: {} }
`;

export interface AnsweredOnce {
  /** Includes the output of `/metrics`. */
  readonly stdout: string;
  readonly stderr: string;
  readonly exitCode: number;
  readonly headers: Headers;
}

/** Runs a link that answers one request. It is `b`, or with `--resolve` `a`, which calls `b`. */
export async function answerOnce(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<AnsweredOnce> {
  using folder = temporaryFolder();
  const file = join(folder.path, "topology.yaml");
  await Bun.write(file, TWO);
  const name = args.includes("--resolve") ? "a" : "b";
  await using link = await startLinkProcess(["--name", name, "--topology", file, ...args], env);
  const response = await fetch(link.url, { headers });
  const metrics = await (await fetch(`${link.url}/metrics`)).text();
  link.kill("SIGTERM");
  const exitCode = await link.exited;
  return { stdout: link.stdout() + metrics, stderr: link.stderr(), exitCode, headers: response.headers };
}

function untilReady(url: string): Promise<string> {
  return eventually(async () => {
    const response = await fetch(`${url}/readiness`).catch(() => null);
    return response?.ok ? url : undefined;
  });
}
