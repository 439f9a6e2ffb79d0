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

/** Open files that a link needs for a request in flight: its listener and one connection in each direction. */
const FILES_PER_LINK = 3;
/** Open files of the rest of the process. */
const OTHER_FILES = 64;

/**
 * Starts every link on a socket of its own in this process.
 * @throws {UserError} `port-busy`, `limit-reached`; stops everything it started
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

/** Checked at the start; otherwise the lack of files would appear as failed calls later. */
function checkOpenFiles(links: number): void {
  const needed = FILES_PER_LINK * links + OTHER_FILES;
  const limit = readOpenFilesLimit();
  if (needed <= limit) return;
  const hint = `Raise the limit with 'ulimit -n ${needed}', or start fewer links.`;
  throw new UserError(
    "limit-reached",
    `${links} links need ${needed} open files, but the limit of this process is ${limit}`,
    hint,
  );
}

/** Bun raises its own limit as far as it may; only Linux reveals how far that is. */
function readOpenFilesLimit(): number {
  try {
    const [, soft] = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    return Number(soft ?? Number.POSITIVE_INFINITY);
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
