import { errorText, UserError } from "../lib/errors.ts";
import { buildChain } from "../topology/chain.ts";
import { DEFAULT_INSTANCES, MAX_SERVICES, type Topology } from "../topology/model.ts";
import { choiceFlag, integerFlag } from "./flags.ts";
import type { Setting } from "./settings.ts";

export const INSTANCES_FLAG = integerFlag(
  DEFAULT_INSTANCES,
  { min: 1, max: MAX_SERVICES },
  {
    summary: "Links of the chain.",
    configKey: "instances",
  },
);

export const SLOW_FLAG = choiceFlag("on", ["on", "off"], {
  summary: "Whether each link of a chain draws the original's slow request (2 s, with probability 1/N).",
});

export const TOPOLOGY_OPERAND = {
  usage: "[TOPOLOGY]",
  summary: "A topology document (YAML or JSON; - reads standard input) instead of a plain chain.",
  min: 0,
  max: 1,
} as const;

/**
 * The topology that a command was asked for: a document, or a chain of `--instances`.
 * @throws {UserError} `usage` when both were given, `file-unreadable`, `topology-invalid`
 */
export async function loadTopology(
  file: string | undefined,
  options: { readonly instances: number; readonly slow: boolean; readonly settings: readonly Setting[] },
): Promise<Topology> {
  if (file === undefined) return buildChain(options.instances, { slow: options.slow });
  if (options.settings.some(({ name, origin }) => name === "instances" && origin === "--instances")) {
    throw new UserError(
      "usage",
      "--instances and a topology document were both given",
      'Write "chain: N" in the document.',
    );
  }
  return readTopologyFile(file, options.slow);
}

/** @throws {UserError} `file-unreadable`, `topology-invalid` */
export async function readTopologyFile(file: string, slow: boolean): Promise<Topology> {
  const { text, name } = await readDocument(file);
  const { parseTopology } = await import("../topology/parse.ts");
  return parseTopology(text, name, { slow });
}

/**
 * The text of a document, and its name in messages; `-` is standard input.
 * @throws {UserError} `file-unreadable`
 */
export async function readDocument(file: string): Promise<{ text: string; name: string }> {
  try {
    const text = await (file === "-" ? Bun.stdin : Bun.file(file)).text();
    return { text, name: file === "-" ? "standard input" : file };
  } catch (error) {
    throw new UserError("file-unreadable", `cannot read ${file}: ${errorText(error)}`, undefined, {
      cause: error,
    });
  }
}
