import { UserError } from "../../lib/errors.ts";
import { buildChain } from "../../topology/chain.ts";
import { DEFAULT_INSTANCES, isCall, MAX_SERVICES, type Topology } from "../../topology/model.ts";
import type { CommandUse } from "../shell/command.ts";
import { choiceFlag, integerFlag } from "../shell/flags.ts";
import { nameOf, readDocument } from "../shell/input-file.ts";
import type { Output } from "../shell/output.ts";
import type { Setting } from "../shell/settings.ts";

export const INSTANCES_FLAG = integerFlag(
  DEFAULT_INSTANCES,
  { min: 1, max: MAX_SERVICES },
  {
    summary: "Number of links of the chain.",
    configKey: "instances",
  },
);

export const SLOW_FLAG = choiceFlag("on", ["on", "off"], {
  summary: "Whether each link of a chain waits 2 s in 1/N of its requests, as in the original.",
});

export const TOPOLOGY_OPERAND = {
  usage: "[TOPOLOGY]",
  summary: "Topology document in YAML or JSON (- reads standard input), instead of a plain chain.",
  min: 0,
  max: 1,
} as const;

/**
 * Loads the topology of a command: a document, or a chain of `--instances`. Warns about services that nobody calls.
 * @throws {UserError} `usage` when both were given, `file-unreadable`, `topology-invalid`
 */
export async function loadTopology(
  file: string | undefined,
  options: {
    readonly instances: number;
    readonly slow: boolean;
    readonly settings: readonly Setting[];
    readonly output: Output;
  },
): Promise<Topology> {
  if (file === undefined) return buildChain(options.instances, { slow: options.slow });
  if (options.settings.some(({ name, origin }) => name === "instances" && origin === "--instances")) {
    throw new UserError(
      "usage",
      "--instances and a topology document were both given",
      'Write "chain: N" in the document.',
    );
  }
  const topology = await readTopologyFile(file, options.slow);
  await warnOfUncalled(topology, nameOf(file), options.output);
  return topology;
}

const MAX_NAMED = 5;

/** Only a warning: such a service may get its callers later, or from outside the topology. */
async function warnOfUncalled({ services, entry }: Topology, name: string, output: Output): Promise<void> {
  const { findUncalled } = await import("../../topology/graph.ts");
  const targets = [...services.values()].map(
    (it) => [it.name, it.steps.flat().flatMap((action) => (isCall(action) ? [action.service] : []))] as const,
  );
  const uncalled = findUncalled(new Map(targets)).filter((it) => it !== entry);
  const [first, ...others] = uncalled;
  if (first === undefined) return;
  if (others.length === 0) {
    output.warn(`${name}: no service calls ${first}, so it gets no requests`);
    return;
  }
  const rest = uncalled.length - MAX_NAMED;
  const named = rest > 0 ? [...uncalled.slice(0, MAX_NAMED), `${rest} others`] : uncalled;
  const listed = `${named.slice(0, -1).join(", ")} or ${named.at(-1)}`;
  output.warn(`${name}: no service calls ${listed}, so they get no requests`);
}

/** @throws {UserError} `file-unreadable`, `topology-invalid` */
export async function readTopologyFile(file: string, slow: boolean): Promise<Topology> {
  const { text, name } = await readDocument(file);
  const { parseTopology } = await import("../../topology/parse.ts");
  return parseTopology(text, name, { slow });
}

/** A document has its own number of links. */
export function idleWithTopology({ operands }: CommandUse): readonly string[] {
  return operands.length > 0 ? ["instances"] : [];
}
