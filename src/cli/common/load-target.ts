import { existsSync } from "node:fs";
import { type Endpoint, hideSecrets } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import type { CollectorThread } from "../../local/collector-thread.ts";
import type { LocalChain } from "../../local/local-chain.ts";
import { countDropped } from "../../local/snapshot.ts";
import type { Topology } from "../../topology/model.ts";
import { type Header, parseUrl, switchFlag, Unfit, urlFlag } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { wasGiven } from "./pace-flags.ts";
import { LINK_FLAGS } from "./shared-flags.ts";
import { INSTANCES_FLAG, loadTopology, SLOW_FLAG } from "./topology-input.ts";

/** Flags of what is started on this machine for a load; a URL takes none of them. */
export const TARGET_FLAGS = {
  instances: { ...INSTANCES_FLAG, summary: "Links of the chain that is started when no target is named." },
  slow: { ...SLOW_FLAG, fallback: "off", env: [] },
  zipkin: urlFlag({ summary: "Where the started links send their spans, instead of an embedded collector." }),
  otlp: urlFlag({ summary: "An OTLP/HTTP receiver for them instead." }),
  ...LINK_FLAGS,
  "in-process": switchFlag({
    summary: "Start the links in this process: less memory, but load and links delay each other.",
  }),
} as const;

interface TargetValues {
  readonly instances: number;
  readonly slow: "on" | "off";
  readonly zipkin: Endpoint | null;
  readonly otlp: Endpoint | null;
  readonly "otlp-protocol": "http/protobuf" | "http/json";
  readonly tags: Parameters<typeof import("../../local/local-chain.ts").startLocalChain>[0]["tagSet"];
  readonly seed: string | null;
  readonly "in-process": boolean;
}

/** Where requests go. */
export interface LoadTarget {
  readonly url: string;
  /** What every request carries. Secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** Of the collector that was started with it. */
  readonly page: string | null;
  /** Base URL of that collector. */
  readonly collector: string | null;
  /** What was started; `undefined` for a URL. */
  readonly topology: Topology | undefined;
  /** Base URLs of the links that were started, by name. */
  readonly links: ReadonlyMap<string, string>;
  /** Ends what was started, and says what became of its spans; false when some were lost. */
  stop(): Promise<boolean>;
}

/**
 * A URL as it is; otherwise a topology, or a chain, is started on this machine.
 * @throws {UserError}
 */
export async function openTarget(
  operand: string | undefined,
  flags: TargetValues,
  settings: readonly Setting[],
  output: Output,
): Promise<LoadTarget> {
  const isChain = wasGiven(settings, "instances");
  if (operand === undefined && !isChain) {
    throw new UserError(
      "usage",
      "a URL or a topology document is needed",
      "Or --instances N, for a chain on this machine.",
    );
  }
  const url = parseUrl(operand ?? "", true);
  if (operand === undefined || (url instanceof Unfit && isFile(operand)))
    return startTarget(operand, flags, settings, output);
  if (url instanceof Unfit) {
    const found = JSON.stringify(hideSecrets(operand));
    throw new UserError("usage", `URL: expected ${url.expected}, or a topology document, found ${found}`);
  }
  const extra = settings.find(({ name, origin }) => name in TARGET_ONLY && origin === `--${name}`);
  if (extra !== undefined) {
    throw new UserError("usage", `${extra.origin} is for links that are started, but a URL was given`);
  }
  return {
    ...url,
    page: null,
    collector: null,
    topology: undefined,
    links: new Map(),
    stop: async () => true,
  };
}

/** Headers of requests, and those of their target that none of them replaces. */
export function withDefaults(given: readonly Header[], defaults: LoadTarget["headers"]): readonly Header[] {
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  return [...given, ...Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()))];
}

/** What cannot be read is still one when it is called so: the message then says why. */
function isFile(operand: string): boolean {
  return operand === "-" || /\.(ya?ml|json)$/.test(operand) || existsSync(operand);
}

const { seed: _, ...TARGET_ONLY } = TARGET_FLAGS;

/** Nothing is started for a URL, and a document says how many links it has. */
export function idleTargetFlags([operand]: readonly string[]): readonly string[] {
  if (operand === undefined) return [];
  return parseUrl(operand, true) instanceof Unfit ? ["instances"] : Object.keys(TARGET_ONLY);
}

async function startTarget(
  file: string | undefined,
  flags: TargetValues,
  settings: readonly Setting[],
  output: Output,
): Promise<LoadTarget> {
  const topology = await loadTopology(file, {
    instances: flags.instances,
    slow: flags.slow === "on",
    settings,
    output,
  });
  const [{ startLocalChain }, { startCollectorThread }, { readTracing }, { VERSION }] = await Promise.all([
    import("../../local/local-chain.ts"),
    import("../../local/collector-thread.ts"),
    import("./otel-environment.ts"),
    import("../../lib/version.ts"),
  ]);
  const isElsewhere = flags.zipkin !== null || flags.otlp !== null;
  const collector = isElsewhere ? null : await startCollectorThread(HOST);
  try {
    const { tracer, target } = readTracing(flags, settings, output, collector?.url ?? null);
    const chain = await startLocalChain({
      topology,
      host: HOST,
      basePort: 0,
      target,
      tracer,
      tagSet: flags.tags,
      version: VERSION,
      processes: !flags["in-process"],
      seed: flags.seed,
      write: (line) => output.logLine(line),
    });
    return {
      url: `${chain.entryUrl}/`,
      headers: {},
      page: collector === null ? null : `${collector.url}/`,
      collector: collector?.url ?? null,
      topology,
      links: new Map(chain.links.map((link) => [link.name, link.url])),
      stop: () => stopTarget(chain, collector, output),
    };
  } catch (error) {
    collector?.stop();
    throw error;
  }
}

const HOST = "127.0.0.1";

async function stopTarget(
  chain: LocalChain,
  collector: CollectorThread | null,
  output: Output,
): Promise<boolean> {
  await chain.stop();
  collector?.stop();
  const snapshots = chain.links.map((link) => link.snapshot());
  const sent = snapshots.reduce((sum, { spansSent }) => sum + spansSent, 0);
  const dropped = snapshots.reduce((sum, snapshot) => sum + countDropped(snapshot), 0);
  const lost = chain.links.filter((link) => link.isLost).map(({ name }) => name);
  if (output.isTerminal || dropped > 0) output.note(`${sent} spans sent, ${dropped || "none"} dropped`);
  if (lost.length > 0) output.warn(`what became of the last spans of ${lost.join(", ")} is not known`);
  return dropped === 0 && lost.length === 0;
}
