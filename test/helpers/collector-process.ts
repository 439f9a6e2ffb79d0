import { EXECUTABLE } from "./cli.ts";

export interface CollectorProcess {
  readonly url: string;
  readonly pid: number;
  /** Returns standard error so far. */
  readonly stderr: () => string;
  readonly signal: (name: "SIGINT" | "SIGTERM" | "SIGKILL") => void;
  readonly exited: Promise<number>;
}

/** Starts `chain-link collector` on a free port, unless `QUERY_PORT` names one, and waits until it listens. */
export async function startCollectorProcess(
  args: readonly string[] = [],
  env: Readonly<Record<string, string>> = {},
): Promise<CollectorProcess> {
  const port = env.QUERY_PORT === undefined ? ["--port", "0"] : [];
  const child = Bun.spawn([EXECUTABLE, "collector", ...port, ...args], {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "pipe",
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
  });
  let text = "";
  const { promise: listening, resolve, reject } = Promise.withResolvers<string>();
  void (async () => {
    for await (const chunk of child.stderr) {
      text += new TextDecoder().decode(chunk);
      const [, url] = /listening on (\S+)\n/.exec(text) ?? [];
      if (url !== undefined) resolve(url);
    }
    reject(new Error(`the collector ended: ${text}`));
  })();
  return {
    url: await listening,
    pid: child.pid,
    stderr: () => text,
    signal: (name) => child.kill(name),
    exited: child.exited,
  };
}
