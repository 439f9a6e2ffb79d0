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
  /** Port of the first link, the others follow; 0 takes free ones. */
  readonly basePort: number;
  readonly target: ExportTarget;
  /** @default DEFAULT_TRACER */
  readonly tracer?: TracerSettings;
  readonly tagSet: TagSet;
  readonly version: string;
  /** What is left to chance is the same for the same seed; `null`: different each time. */
  readonly seed: string | null;
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
  /** It ended without a word: what it did last, and its spans that waited, are not known. */
  readonly isLost: boolean;
  /** Sets what is wrong with it, in place of what was; resolves when it is so. Of a process: when it was told. */
  setFault(fault: LinkFault): Promise<void>;
  stop(): Promise<void>;
}

/** Time that links have to answer and to send their spans when the chain ends. */
export const STOP_GRACE_MS = 5000;

/** The port of the link at `index`; 0 takes a free one. */
export function portOf(basePort: number, index: number): number {
  return basePort === 0 ? 0 : basePort + index;
}

/** What all links of a local chain have in common, in this process or in one of their own. */
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
