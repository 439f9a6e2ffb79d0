import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/**
 * The lab: a script that starts a real one-node Kubernetes on this machine (`lab up`, whose last line is the path of a
 * kubeconfig) and removes it (`lab down`). By default it is next to the repository; `CHAIN_LINK_LAB` names another one.
 */
export const LAB = process.env.CHAIN_LINK_LAB ?? new URL("../../../shared/lab/lab", import.meta.url).pathname;

/** Whether tests can use the lab. If `CHAIN_LINK_LAB` names a missing lab, tests fail instead of skipping. */
export const hasLab = process.env.CHAIN_LINK_LAB === undefined ? existsSync(LAB) : LAB !== "";

/** Suffix for the title of a group of tests that says why they were skipped. */
export const LAB_NOTE = hasLab ? "" : ` (skipped: there is no lab at ${LAB}, see test/helpers/lab.ts)`;

/** Time limit for `lab up`, which takes about 10 s when everything is built. */
export const LAB_START_MS = 180_000;

export interface CommandResult {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Lab {
  readonly kubeconfig: string;
  readonly kubectlPath: string;
  /** Runs kubectl against the lab. Throws when it fails, unless `mayFail`. */
  kubectl(args: readonly string[], options?: KubectlOptions): Promise<CommandResult>;
  /** Returns the parsed output of `kubectl … -o json`. */
  // biome-ignore lint/suspicious/noExplicitAny: the objects of any API
  query(...args: string[]): Promise<any>;
}

export interface KubectlOptions {
  readonly input?: string;
  readonly mayFail?: boolean;
  /** Variables added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
}

let running: Promise<Lab> | undefined;
let isOurs = false;

/** Starts the lab if it does not run; later calls return the same one. Throws if it does not start. */
export function startLab(): Promise<Lab> {
  running ??= start();
  return running;
}

/** Stops the lab if {@link startLab} had to start it. `CHAIN_LINK_LAB_KEEP=1` leaves it running. */
export async function stopLab(): Promise<void> {
  if (running === undefined) return;
  running = undefined;
  if (isOurs && process.env.CHAIN_LINK_LAB_KEEP !== "1") expectSuccess(await run([LAB, "down"]));
}

async function start(): Promise<Lab> {
  isOurs = (await run([LAB, "status"])).exitCode !== 0;
  const { stdout } = expectSuccess(await run([LAB, "up"]));
  const kubeconfig = stdout.trimEnd().split("\n").at(-1) ?? "";
  if (!existsSync(kubeconfig)) throw new Error(`lab up printed no kubeconfig but ${JSON.stringify(stdout)}`);
  const program = findKubectl();
  const env = { ...process.env, KUBECONFIG: kubeconfig };
  const kubectl: Lab["kubectl"] = async (args, { input = "", mayFail = false, env: added = {} } = {}) => {
    const result = await run([program, ...args], { env: { ...env, ...added }, input });
    return mayFail ? result : expectSuccess(result);
  };
  return {
    kubeconfig,
    kubectlPath: program,
    kubectl,
    query: async (...args) => JSON.parse((await kubectl([...args, "-o", "json"])).stdout),
  };
}

/** Prefers the lab's own kubectl, which has the version of its cluster. */
function findKubectl(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  const own = join(process.env.LAB_CACHE ?? join(cache, "chain-link-lab"), "bin", "kubectl");
  return existsSync(own) ? own : "kubectl";
}

interface FinishedCommand extends CommandResult {
  readonly command: readonly string[];
}

async function run(
  command: readonly string[],
  { env = process.env, input = "" }: { env?: NodeJS.ProcessEnv; input?: string } = {},
): Promise<FinishedCommand> {
  const child = Bun.spawn([...command], { env, stdin: new Blob([input]), stdout: "pipe", stderr: "pipe" });
  const [stdout, stderr, exitCode] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { command, exitCode, stdout, stderr };
}

function expectSuccess(result: FinishedCommand): CommandResult {
  if (result.exitCode === 0) return result;
  throw new Error(`${result.command.join(" ")} ended with ${result.exitCode}:\n${result.stderr}`);
}
