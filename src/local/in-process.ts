import { readFileSync } from "node:fs";
import { UserError } from "../lib/errors.ts";
import { randomSource } from "../lib/random.ts";
import { startLink } from "../link/link.ts";
import { rolesOf } from "../link/roles.ts";
import {
  commonLinkOptions,
  type LocalChainOptions,
  type LocalLink,
  portOf,
  STOP_GRACE_MS,
} from "./local-link.ts";
import { RestartableLink } from "./restartable-link.ts";

/** Files that a link needs open while a request is in it: its listener, the connection in and the connection out. */
const FILES_PER_LINK = 3;
/** And what the rest of the process needs. */
const OTHER_FILES = 64;

/**
 * Starts every link on a socket of its own in this process.
 * @throws {UserError} `port-busy`, `limit-reached`; nothing is left running then
 */
export function startInProcess(options: LocalChainOptions): LocalLink[] {
  const { topology } = options;
  checkOpenFiles(topology.services.size);
  const urls = new Map<string, string>();
  const roles = rolesOf(topology, randomSource(options.seed));
  const links: LocalLink[] = [];
  try {
    for (const name of topology.services.keys()) {
      const link = new RestartableLink(
        (port) =>
          startLink({
            name,
            host: options.host,
            port,
            portFlag: "--base-port",
            source: { kind: "roles", roles },
            resolve: (service) => urls.get(service),
            ...commonLinkOptions(options),
          }),
        portOf(options.basePort, links.length),
      );
      urls.set(name, link.url);
      links.push({
        name,
        url: link.url,
        snapshot: () => link.snapshot(),
        isLost: false,
        setFault: (fault) => link.setFault(fault),
        stop: () => link.stop({ drainMs: 0, graceMs: STOP_GRACE_MS }),
      });
    }
  } catch (error) {
    for (const link of links) void link.stop();
    throw error;
  }
  return links;
}

/** Said at the start, as later it would show as calls that fail. */
function checkOpenFiles(links: number): void {
  const needed = FILES_PER_LINK * links + OTHER_FILES;
  const limit = readOpenFilesLimit();
  if (needed <= limit) return;
  const hint = `Raise the limit with 'ulimit -n ${needed}', or start fewer links.`;
  throw new UserError(
    "limit-reached",
    `${links} links need ${needed} open files, this process may have ${limit}`,
    hint,
  );
}

/** Bun raises its own limit as far as it may; only Linux says how far that is. */
function readOpenFilesLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Number(soft ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
