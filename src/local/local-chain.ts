import { UserError } from "../lib/errors.ts";
import type { ExportTarget } from "../link/export.ts";
import { startLink } from "../link/link.ts";
import { REPORTER_DEFAULTS } from "../link/reporter.ts";
import { rolesOf } from "../link/roles.ts";
import type { TagSet } from "../link/tags.ts";
import { ratioSampler } from "../link/tracer.ts";
import type { Topology } from "../topology/model.ts";
import { DEFAULT_PROPAGATORS } from "../trace/context.ts";
import { startLinkProcesses } from "./link-process.ts";
import { type LinkSnapshot, snapshotLink } from "./snapshot.ts";

export interface LocalChainOptions {
  readonly topology: Topology;
  readonly host: string;
  /** Port of the first link, the others follow; `null` takes free ones. */
  readonly basePort: number | null;
  readonly target: ExportTarget;
  readonly tagSet: TagSet;
  readonly version: string;
  /** Each link in a process of its own. */
  readonly processes: boolean;
  /** Takes the lines that links log. */
  readonly write: (line: string) => void;
}

export interface LocalLink {
  readonly name: string;
  /** Without a slash at the end. */
  readonly url: string;
  /** What it has done so far; of a process, as of its last word, at most a second ago. */
  snapshot(): LinkSnapshot;
  stop(): Promise<void>;
}

/** A topology that runs on this machine. */
export interface LocalChain {
  /** In the order of the topology. */
  readonly links: readonly LocalLink[];
  /** Base URL of the entry. */
  readonly entryUrl: string;
  /** Ends all links well: requests in flight are answered, spans sent. */
  stop(): Promise<void>;
}

/** Time that links have to answer and to send their spans when the chain ends. */
export const STOP_GRACE_MS = 5000;

/**
 * Starts every link of a topology; all are ready when this resolves, and each reaches the others by name.
 * @throws {UserError} `port-busy`, `limit-reached`, `start-failed`; nothing is left running then
 */
export async function startLocalChain(options: LocalChainOptions): Promise<LocalChain> {
  const links = options.processes ? await startLinkProcesses(options) : startInProcess(options);
  const entry = links.find((link) => link.name === options.topology.entry);
  if (entry === undefined)
    throw new UserError("start-failed", `the topology has no service ${options.topology.entry}`);
  return {
    links,
    entryUrl: entry.url,
    stop: async () => {
      await Promise.all(links.map((link) => link.stop()));
    },
  };
}

/** The port of the link at `index`; 0 takes a free one. */
export function portOf(basePort: number | null, index: number): number {
  return basePort === null ? 0 : basePort + index;
}

function startInProcess(options: LocalChainOptions): LocalLink[] {
  const { topology } = options;
  const urls = new Map<string, string>();
  const roles = rolesOf(topology, Math.random);
  const links: LocalLink[] = [];
  try {
    for (const name of topology.services.keys()) {
      const link = startLink({
        name,
        host: options.host,
        port: portOf(options.basePort, links.length),
        portFlag: "--base-port",
        source: { kind: "roles", roles },
        resolve: (service) => urls.get(service),
        ...commonLinkOptions(options),
      });
      urls.set(name, link.url);
      links.push({
        name,
        url: link.url,
        snapshot: () => snapshotLink(link),
        stop: () => link.stop({ drainMs: 0, graceMs: STOP_GRACE_MS }),
      });
    }
  } catch (error) {
    for (const link of links) void link.stop();
    throw error;
  }
  return links;
}

/** What all links of a local chain have in common, in this process or in one of their own. */
export function commonLinkOptions(
  options: Pick<LocalChainOptions, "target" | "tagSet" | "version" | "write">,
) {
  return {
    target: options.target,
    propagators: DEFAULT_PROPAGATORS,
    sampler: ratioSampler(1),
    tagSet: options.tagSet,
    trustPosition: true,
    log: {
      level: "warn",
      format: "text",
      accessLog: false,
      write: options.write,
      writeAccess: options.write,
    },
    reporter: REPORTER_DEFAULTS,
    resourceAttributes: {},
    version: options.version,
    random: Math.random,
  } as const;
}
