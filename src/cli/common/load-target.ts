import { existsSync } from "node:fs";
import { hideSecrets } from "../../lib/endpoint.ts";
import { UserError } from "../../lib/errors.ts";
import type { CollectorThread } from "../../local/collector-thread.ts";
import type { LocalChain } from "../../local/local-chain.ts";
import type { Topology } from "../../topology/model.ts";
import { type FlagValues, type Header, parseUrl, switchFlag, Unfit, urlFlag } from "../shell/flags.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";
import { wasGiven } from "./pace-flags.ts";
import { LINK_FLAGS } from "./shared-flags.ts";
import { areAllSent, countSpans, describeSpans, warnOfLostLinks } from "./span-summary.ts";
import { INSTANCES_FLAG, loadTopology, SLOW_FLAG } from "./topology-input.ts";

/** Flags of the links that a command starts on this machine; none of them applies to a URL. */
export const TARGET_FLAGS = {
  instances: {
    ...INSTANCES_FLAG,
    summary: "Number of links of a chain to start here, instead of a URL or a topology.",
  },
  slow: { ...SLOW_FLAG, fallback: "off", env: [] },
  zipkin: urlFlag({
    summary: "Zipkin that the started links send spans to, instead of an embedded collector.",
  }),
  otlp: urlFlag({ summary: "OTLP/HTTP receiver that the started links send spans to instead." }),
  ...LINK_FLAGS,
  "in-process": switchFlag({
    summary: "Start all links in this process: uses less memory, but load and links compete.",
  }),
} as const;

type TargetValues = FlagValues<typeof TARGET_FLAGS>;

/** A target of requests. */
export interface LoadTarget {
  readonly url: string;
  /** Headers of every request; they may hold credentials. */
  readonly headers: Readonly<Record<string, string>>;
  /** Page of the collector that was started with the target. */
  readonly page: string | null;
  /** Base URL of that collector. */
  readonly collector: string | null;
  /** The topology that was started; `undefined` for a URL. */
  readonly topology: Topology | undefined;
  /** Base URLs of the links that were started, by name. */
  readonly links: ReadonlyMap<string, string>;
  /** Stops what was started and reports its spans; resolves to false when some were lost. */
  stop(): Promise<boolean>;
}

/**
 * Opens a URL as is; otherwise starts a topology or a chain on this machine.
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
      "expected a URL or a topology document, found neither",
      "Use --instances N to start a chain on this machine.",
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
    throw new UserError(
      "usage",
      `${extra.origin} applies to links that are started here, but a URL was given`,
    );
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

/** Adds the target's headers that no given header replaces. */
export function withDefaults(given: readonly Header[], defaults: LoadTarget["headers"]): readonly Header[] {
  const names = new Set(given.map(([name]) => name.toLowerCase()));
  return [...given, ...Object.entries(defaults).filter(([name]) => !names.has(name.toLowerCase()))];
}

/** A missing file with one of these names still counts as a file, so that the error says why it cannot be read. */
function isFile(operand: string): boolean {
  return operand === "-" || /\.(ya?ml|json)$/.test(operand) || existsSync(operand);
}

const { seed: _, ...TARGET_ONLY } = TARGET_FLAGS;

/** A URL starts no links, and a document has its own number of links. */
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
  const totals = countSpans(chain);
  if (output.isTerminal || totals.dropped > 0) output.note(describeSpans(totals));
  warnOfLostLinks(totals, output);
  return areAllSent(totals);
}
