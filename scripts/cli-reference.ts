import { COMMANDS } from "../src/cli/commands.ts";
import { type Command, loadCommands } from "../src/cli/shell/command.ts";
import type { FlagTable } from "../src/cli/shell/flags.ts";
import { GLOBAL_FLAGS } from "../src/cli/shell/global-flags.ts";
import { formatFlag } from "../src/cli/shell/help.ts";
import { environmentOf, formatFallback } from "../src/cli/shell/settings.ts";
import { FAILURES } from "../src/http/failure.ts";
import { ERROR_CODES } from "../src/lib/errors.ts";

/** `docs/cli.md`, from the tables that the program itself uses. */
export async function renderCliReference(): Promise<string> {
  const commands = await loadCommands(COMMANDS.filter(({ isHidden }) => !isHidden));
  return `${[
    "# Command line",
    "",
    "Written by `npm run docs` from the command tables in `src/cli/`; a test compares.",
    "",
    "Flags may stand before or after the command. A value is taken from the command line, otherwise from the",
    "environment, otherwise from the configuration file (only where a command has `--config-file`), otherwise it is the",
    "default; `--info` shows which it was. A name that takes another form of value in `link` or `collector`, which run in",
    "pods, has its variable there only. Results go to standard output, messages to standard error.",
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

/** `docs/errors.md`, from the table of codes. */
export function renderErrorReference(): string {
  const rows = Object.entries(ERROR_CODES).map(([code, meaning]) => `| \`${code}\` | ${meaning} |`);
  return `${[
    "# Errors",
    "",
    "An error is printed on standard error: what was expected and what was found, and on the next line what to do. Each has",
    "a stable code that scripts can match on. `-v` prints it below the error:",
    "",
    "    $ chain-link status -n shop -v",
    '    ERROR    there is no release "chain-link" in namespace "shop"',
    "             Name others with --release and --namespace.",
    "             error code: release-not-found",
    "",
    "With `-o json` the last line of standard error is an object, and standard output stays empty unless there is a result:",
    "",
    '    {"error":{"code":"release-not-found","message":"there is no release …","hint":"Name others with …"}}',
    "",
    "The exit code is 2 for `usage`, otherwise 1. `verify` and dry runs end with 3 when they could not tell, and `verify` with",
    "2 for everything else, as 1 says that spans are missing.",
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
    "Written by `npm run docs` from `src/http/failure.ts`; a test compares. Names are stable. They appear in",
    "",
    "- the results of `load` and `verify` (`failures` and `unknownCauses` of `-o json`), and in",
    "  `chain_link_load_requests_failed_total{kind}`;",
    "- the CLIENT spans of links: `error.type` is the name, `error` the name and a message in words;",
    "- `chain_link_failed_calls_total{service,reason}` in a link's `/metrics`.",
    "",
    "A link answers a request whose call failed with 502 (504 for `timeout`) and the message; the same words follow",
    "`cannot send spans to` when the tracing backend cannot be reached.",
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
