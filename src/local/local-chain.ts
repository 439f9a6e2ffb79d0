import { UserError } from "../lib/errors.ts";
import { startInProcess } from "./in-process.ts";
import { LinkLines } from "./link-lines.ts";
import { startLinkProcesses } from "./link-process.ts";
import { type LocalChainOptions, type LocalLink, portOf } from "./local-link.ts";

/** A topology running on this machine. */
export interface LocalChain {
  /** In topology order. */
  readonly links: readonly LocalLink[];
  /** Base URL of the entry. */
  readonly entryUrl: string;
  /** Shuts all links down gracefully: answers requests in flight and sends spans. */
  stop(): Promise<void>;
}

/**
 * Starts every link of a topology. When this resolves, all are ready and reach each other by name.
 * @throws {UserError} `usage`, `port-busy`, `limit-reached`, `start-failed`; stops everything it started
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
      // Until a request at the entry is answered, it needs all other links.
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
  const message = `--base-port ${basePort}: ${topology.services.size} links need ports up to ${last}, but the highest port is ${LAST_PORT}`;
  throw new UserError("usage", message, "Choose a lower --base-port.");
}
