import type { Command, CommandEntry } from "./command.ts";
import type { Flag, FlagTable } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { environmentOf, formatFallback } from "./settings.ts";

const TAGLINE =
  "chain-link puts a chain, or any call graph, of traced services on this machine or on Kubernetes.";

/** The help of the program: examples first. */
export function renderHelp(commands: readonly CommandEntry[]): string {
  const shown = commands.filter((command) => !command.isHidden);
  return sections([
    [TAGLINE],
    [
      "Examples:",
      ...pairs([
        ["chain-link up", "a chain of 3 links, its traces and their page"],
        ["chain-link up --instances 5 --slow off", "5 links, none of them slow"],
        ["chain-link up shop.yaml", "the call graph of a topology document"],
        ["chain-link deploy --instances 5", "the chain on Kubernetes"],
        ["chain-link generate --instances 5", "the chain as Kubernetes manifests"],
      ]),
    ],
    ["Usage:", "  chain-link COMMAND [ARGUMENTS] [FLAGS]"],
    ["Commands:", ...pairs(shown.map((command) => [command.name, command.summary]))],
    ["Flags of every command:", ...pairs(flagRows(GLOBAL_FLAGS))],
    ["'chain-link COMMAND --help' shows the flags of a command."],
  ]);
}

/** The help of one command. */
export function renderCommandHelp(command: Command): string {
  const operands = command.operands === undefined ? "" : ` ${command.operands.usage}`;
  return sections([
    [`${command.summary}.`],
    ["Examples:", ...pairs(command.examples.map(({ line, says }) => [line, says]))],
    ["Usage:", `  chain-link ${command.name}${operands} [FLAGS]`],
    command.operands === undefined
      ? []
      : ["Arguments:", ...pairs([[command.operands.usage, command.operands.summary]])],
    Object.keys(command.flags).length === 0 ? [] : ["Flags:", ...pairs(flagRows(command.flags))],
    ["Flags of every command:", ...pairs(flagRows(GLOBAL_FLAGS))],
  ]);
}

/** How a flag is written: `-n, --namespace TEXT`. */
export function formatFlag(name: string, flag: Flag<unknown>): string {
  const short = flag.short === undefined ? "    " : `-${flag.short}, `;
  const value = flag.placeholder === undefined ? "" : ` ${flag.placeholder}`;
  return `${short}--${name}${value}`;
}

function flagRows(table: FlagTable): [string, string][] {
  return Object.entries(table).map(([name, flag]) => {
    const fallback = formatFallback(flag);
    const variables = environmentOf(name, flag).map((variable) => `$${variable}`);
    const notes = [fallback === "" ? "" : `default ${fallback}`, variables.join(", ")];
    const shown = notes.filter((note) => note !== "");
    return [formatFlag(name, flag), `${flag.summary}${shown.length === 0 ? "" : ` (${shown.join("; ")})`}`];
  });
}

function pairs(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.min(40, Math.max(...rows.map(([left]) => left.length)));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function sections(parts: readonly (readonly string[])[]): string {
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}
