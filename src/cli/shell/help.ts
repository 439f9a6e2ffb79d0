import type { Command, CommandEntry } from "./command.ts";
import type { Flag, FlagTable } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { environmentOf, formatFallback } from "./settings.ts";
import { wrapText } from "./wrap.ts";

const TAGLINE =
  "chain-link puts a chain, or any call graph, of traced services on this machine or on Kubernetes.";

/** The help of the program, in lines of at most `width` characters: examples first. */
export function renderHelp(commands: readonly CommandEntry[], width: number): string {
  const shown = commands.filter((command) => !command.isHidden);
  const pairs = (rows: Rows) => renderPairs(rows, width);
  return sections([
    wrapText(TAGLINE, width),
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
    wrapText("'chain-link COMMAND --help' shows the flags of a command.", width),
  ]);
}

/** The help of one command, likewise. */
export function renderCommandHelp(command: Command, width: number): string {
  const operands = command.operands === undefined ? "" : ` ${command.operands.usage}`;
  const pairs = (rows: Rows) => renderPairs(rows, width);
  return sections([
    wrapText(`${command.summary}.`, width),
    ["Examples:", ...pairs(command.examples.map(({ line, says }) => [wrapCommand(line, width), says]))],
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

type Rows = readonly (readonly [left: string, right: string])[];

const INDENT = 2;
/** Share of a line for what is explained; what is longer has its explanation below it. */
const LEFT_SHARE = 0.4;
const MAX_LEFT = 40;

/** Two columns; what does not fit into the right one goes on below its beginning. */
function renderPairs(rows: Rows, width: number): string[] {
  const longest = Math.min(MAX_LEFT, Math.floor(width * LEFT_SHARE));
  const lefts = rows.map(([left]) => left.length).filter((length) => length <= longest);
  const column = Math.max(INDENT, ...lefts) + 2 * INDENT;
  const gap = " ".repeat(column);
  return rows.flatMap(([left, right]) => {
    const start = " ".repeat(INDENT) + left;
    // A long name in a narrow terminal begins further left: there it is whole.
    const lines = wrapText(right, width - column).map((line) =>
      line.length > width - column ? line.padStart(width) : gap + line,
    );
    const [first = "", ...rest] = lines;
    const isBeside = left.length <= longest && first.startsWith(gap);
    return isBeside ? [start + first.slice(start.length), ...rest] : [start, ...lines];
  });
}

/** A command line as a shell takes it in several lines, broken where a part of it begins. */
function wrapCommand(line: string, width: number): string {
  if (line.length <= width - INDENT) return line;
  const next = " \\\n      ";
  return wrapText(line, width - next.length, / (?=-\S|[|>]|chain-link )/).join(next);
}

function sections(parts: readonly (readonly string[])[]): string {
  return `${parts
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join("\n"))
    .join("\n\n")}\n`;
}
