import { COMMANDS } from "../src/cli/commands.ts";
import { type Command, loadCommands } from "../src/cli/shell/command.ts";
import type { FlagTable } from "../src/cli/shell/flags.ts";
import { GLOBAL_FLAGS } from "../src/cli/shell/global-flags.ts";
import { formatFlag } from "../src/cli/shell/help.ts";
import { environmentOf, formatFallback } from "../src/cli/shell/settings.ts";
import { FAILURES } from "../src/http/failure.ts";
import { ERROR_CODES } from "../src/lib/errors.ts";

/** Turns off the line-length lint in generated pages: tables and flags need long lines. */
const GENERATED = "<!-- lint disable maximum-line-length -->";

/** Renders `docs/cli.md` from the tables that the program itself uses. */
export async function renderCliReference(): Promise<string> {
  const commands = await loadCommands(COMMANDS.filter(({ isHidden }) => !isHidden));
  return `${[
    "# Command line",
    "",
    GENERATED,
    "",
    "Written by `npm run docs` from the command tables in `src/cli/`; a test compares.",
    "",
    "Flags may come before or after the command. For each flag, chain-link takes the first value that exists: from",
    "the command line, the environment, the configuration file (only if the command has `--config-file`), or the",
    "default. `--info` shows which one it took.",
    "",
    "Some names take another form of value in `link` and `collector`, which run in pods. The variable of such a name",
    "applies to `link` and `collector` only. Results go to standard output, messages to standard error.",
    "",
    "| exit code | meaning |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | failed, or found something missing |",
    "| 2 | wrong usage |",
    "| 3 | could not tell |",
    "| 130 | interrupted; the first Ctrl-C ends cleanly, the second at once |",
    "",
    "## Flags of every command",
    "",
    ...flagTable(GLOBAL_FLAGS),
    ...commands.flatMap(renderCommand),
  ].join("\n")}\n`;
}

/** Renders `docs/errors.md` from the table of error codes. */
export function renderErrorReference(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `${[
    "# Errors",
    "",
    GENERATED,
    "",
    "chain-link prints errors on standard error: what it expected and what it found, and on the next line what to do.",
    "Each error has a stable code for scripts. `-v` prints the code below the error:",
    "",
    "    $ chain-link status -n shop -v",
    '    ERROR    there is no release "chain-link" in namespace "shop"',
    "             Name others with --release and --namespace.",
    "             error code: release-not-found",
    "",
    "With `-o json`, the last line of standard error is a JSON object, and standard output is empty unless there is a",
    "result:",
    "",
    '    {"error":{"code":"release-not-found","message":"there is no release …","hint":"Name others with …"}}',
    "",
    "The exit code is 2 for `usage` and 1 for all other codes, with two exceptions. `verify` and dry runs exit with 3",
    "when they could not tell. `verify` exits with 2 for all other errors, because 1 means that spans are missing.",
    "",
    "This page is written by `npm run docs` from `src/lib/errors.ts`; a test compares.",
    "",
    "| code | meaning |",
    "|---|---|",
    ...rows,
  ].join("\n")}\n`;
}

export function renderFailureReference(): string {
  const rows = Object.entries(FAILURES).map(([reason, meaning]) => `| \`${reason}\` | ${meaning} |`);
  return `${[
    "# Why a request got no answer",
    "",
    GENERATED,
    "",
    "Written by `npm run docs` from `src/http/failure.ts`; a test compares. Names are stable. They appear in",
    "",
    "- the results of `load` and `verify` (`failures` and `unknownCauses` of `-o json`), and in",
    "  `chain_link_load_requests_failed_total{kind}`;",
    "- the CLIENT spans of links: `error.type` is the name, `error` the name and a message in words;",
    "- `chain_link_failed_calls_total{service,reason}` in a link's `/metrics`.",
    "",
    "When a call fails, the link answers its own request with 502 (504 for `timeout`) and the message. The same words",
    "follow `cannot send spans to` when the link cannot reach the tracing backend.",
    "",
    "| name | meaning |",
    "|---|---|",
    ...rows,
  ].join("\n")}\n`;
}

function renderCommand(command: Command): string[] {
  const operands = command.operands === undefined ? "" : ` ${command.operands.usage}`;
  return [
    "",
    `## chain-link ${command.name}`,
    "",
    `${command.summary}.`,
    "",
    "```",
    `chain-link ${command.name}${operands} [FLAGS]`,
    "```",
    "",
    ...command.examples.map(({ line, says }) => `- \`${line}\`: ${says}`),
    ...(command.operands === undefined
      ? []
      : ["", `\`${command.operands.usage}\`: ${command.operands.summary}`]),
    ...(Object.keys(command.flags).length === 0 ? [] : ["", ...flagTable(command.flags)]),
  ];
}

function flagTable(table: FlagTable): string[] {
  const rows = Object.entries(table).map(([name, flag]) => {
    const variables = environmentOf(name, flag)
      .map((variable) => `\`${variable}\``)
      .join(", ");
    const fallback = formatFallback(flag);
    const cells = [
      `\`${formatFlag(name, flag).trim()}\``,
      flag.summary,
      fallback === "" ? "" : `\`${fallback}\``,
      variables,
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
  return ["| flag | meaning | default | environment |", "|---|---|---|---|", ...rows];
}
