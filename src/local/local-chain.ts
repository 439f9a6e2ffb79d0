import { UserError } from "../lib/errors.ts";
import { startInProcess } from "./in-process.ts";
import { LinkLines } from "./link-lines.ts";
import { startLinkProcesses } from "./link-process.ts";
import { type LocalChainOptions, type LocalLink, portOf } from "./local-link.ts";

/** A topology that runs on this machine. */
export interface LocalChain {
  /** In the order of the topology. */
  readonly links: readonly LocalLink[];
  /** Base URL of the entry. */
  readonly entryUrl: string;
  /** Ends all links well: requests in flight are answered, spans sent. */
  stop(): Promise<void>;
}

/**
 * Starts every link of a topology; all are ready when this resolves, and each reaches the others by name.
 * @throws {UserError} `usage`, `port-busy`, `limit-reached`, `start-failed`; nothing is left running then
 */
export async function startLocalChain(options: LocalChainOptions): Promise<LocalChain> {
  checkPorts(options);
  const lines = new LinkLines(options.write);
  const own = { ...options, write: (line: string) => lines.write(line) };
  const links = options.processes ? await startLinkProcesses(own) : startInProcess(own);
  const entry = links.find((link) => link.name === options.topology.entry);
  if (entry === undefined)
    throw new UserError("start-failed", `the topology has no service ${options.topology.entry}`);
  return {
    links,
    entryUrl: entry.url,
    stop: async () => {
      // A request at the entry needs all the others until it is answered.
      await entry.stop();
      await Promise.all(links.map((link) => link.stop()));
      lines.close();
    },
  };
}

const LAST_PORT = 65_535;

function checkPorts({ basePort, topology }: LocalChainOptions): void {
  const last = portOf(basePort, topology.services.size - 1);
  if (last <= LAST_PORT) return;
  const message = `--base-port ${basePort}: ${topology.services.size} links would need ports up to ${last}, there are ${LAST_PORT}`;
  throw new UserError("usage", message, "Choose a lower --base-port.");
}
