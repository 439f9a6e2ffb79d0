import { randomSource } from "../lib/random.ts";
import type { ExportTarget } from "../link/export.ts";
import type { LinkFault } from "../link/link-fault.ts";
import { ratioSampler } from "../link/sampler.ts";
import type { TagSet } from "../link/tags.ts";
import { DEFAULT_TRACER, type TracerSettings } from "../link/tracer-settings.ts";
import type { Topology } from "../topology/model.ts";
import { DEFAULT_PROPAGATORS } from "../trace/context.ts";
import type { LinkSnapshot } from "./snapshot.ts";

export interface LocalChainOptions {
  readonly topology: Topology;
  readonly host: string;
  /** Port of the first link; the others follow. 0 chooses free ports. */
  readonly basePort: number;
  readonly target: ExportTarget;
  /** @default DEFAULT_TRACER */
  readonly tracer?: TracerSettings;
  readonly tagSet: TagSet;
  readonly version: string;
  /** The same seed gives the same random decisions; `null`: different ones in each run. */
  readonly seed: string | null;
  /** Run each link in a process of its own. */
  readonly processes: boolean;
  /** Takes the log lines of links. */
  readonly write: (line: string) => void;
}

export interface LocalLink {
  readonly name: string;
  /** Without trailing slash. */
  readonly url: string;
  /** Its numbers so far; those of a process are at most a second old. */
  snapshot(): LinkSnapshot;
  /** Its process ended unexpectedly: its latest numbers and its queued spans are unknown. */
  readonly isLost: boolean;
  /** Replaces the link's fault. Resolves when it is in effect, or when the link's process was told. */
  setFault(fault: LinkFault): Promise<void>;
  stop(): Promise<void>;
}

/** Time for links to answer requests and to send their spans when the chain stops. */
export const STOP_GRACE_MS = 5000;

/** The port of the link at `index`; 0 for a free one. */
export function portOf(basePort: number, index: number): number {
  return basePort === 0 ? 0 : basePort + index;
}

/** Options that all links of a local chain share, in this process or in one of their own. */
export function commonLinkOptions(
  options: Pick<LocalChainOptions, "target" | "tracer" | "tagSet" | "version" | "seed" | "write">,
) {
  const { isTracing, samplingShare, reporter, resourceAttributes } = options.tracer ?? DEFAULT_TRACER;
  return {
    target: options.target,
    isTracing,
    propagators: DEFAULT_PROPAGATORS,
    sampler: ratioSampler(samplingShare),
    tagSet: options.tagSet,
    trustPosition: true,
    log: {
      level: "warn",
      format: "text",
      accessLog: false,
      write: options.write,
      writeAccess: options.write,
    },
    reporter,
    resourceAttributes,
    version: options.version,
    randomOf: randomSource(options.seed),
  } as const;
}
