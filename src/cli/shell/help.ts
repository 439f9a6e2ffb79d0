import type { Command, CommandEntry } from "./command.ts";
import type { Flag, FlagTable } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";
import { environmentOf, formatFallback } from "./settings.ts";
import { wrapText } from "./wrap.ts";

const TAGLINE =
  "chain-link runs a chain, or any call graph, of traced services on this machine or on Kubernetes.";

/** Renders the program's help in lines of at most `width` characters, examples first. */
export function renderHelp(commands: readonly CommandEntry[], width: number): string {
  const shown = commands.filter((command) => !command.isHidden);
  const pairs = (rows: Rows) => renderPairs(rows, width);
  return sections([
    wrapText(TAGLINE, width),
    [
      "Examples:",
      ...pairs([
        ["chain-link up", "run a chain of 3 links with load and a trace page"],
        ["chain-link up --instances 5 --slow off", "run 5 links without slow requests"],
        ["chain-link up shop.yaml", "run the call graph of a topology document"],
        ["chain-link deploy --instances 5", "run a chain of 5 on Kubernetes"],
        ["chain-link generate --instances 5", "write its Kubernetes manifests"],
      ]),
    ],
    ["Usage:", "  chain-link COMMAND [ARGUMENTS] [FLAGS]"],
    ["Commands:", ...pairs(shown.map((command) => [command.name, command.summary]))],
    ["Flags of every command:", ...pairs(flagRows(GLOBAL_FLAGS))],
    wrapText("Run 'chain-link COMMAND --help' to see the flags of a command.", width),
  ]);
}

/** Renders the help of one command, likewise. */
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

/** A flag as help shows it: `-n, --namespace TEXT`. */
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
/** Maximum share of a line for the left column; a longer entry has its explanation below it. */
const LEFT_SHARE = 0.4;
const MAX_LEFT = 40;

/** Renders two columns; the right one wraps. */
function renderPairs(rows: Rows, width: number): string[] {
  const longest = Math.min(MAX_LEFT, Math.floor(width * LEFT_SHARE));
  const lefts = rows.map(([left]) => left.length).filter((length) => length <= longest);
  const column = Math.max(INDENT, ...lefts) + 2 * INDENT;
  const gap = " ".repeat(column);
  return rows.flatMap(([left, right]) => {
    const start = " ".repeat(INDENT) + left;
    // An unbreakable word wider than the column starts further left, so that it stays on one line.
    const lines = wrapText(right, width - column).map((line) =>
      line.length > width - column ? line.padStart(width) : gap + line,
    );
    const [first = "", ...rest] = lines;
    const isBeside = left.length <= longest && first.startsWith(gap);
    return isBeside ? [start + first.slice(start.length), ...rest] : [start, ...lines];
  });
}

/** Wraps a command line before flags and pipes, with the backslashes that a shell needs. */
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
