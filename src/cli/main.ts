import { isatty } from "node:tty";
import { parseArgs } from "node:util";
import { UserError } from "../lib/errors.ts";
import { VERSION } from "../lib/version.ts";
import { COMMANDS, findCandidates } from "./commands.ts";
import { type ParsedArguments, parseArguments, UnknownFlagError } from "./shell/arguments.ts";
import { type Command, loadCommands } from "./shell/command.ts";
import { EXIT } from "./shell/exit.ts";
import type { Flag, FlagTable } from "./shell/flags.ts";
import { GLOBAL_FLAGS } from "./shell/global-flags.ts";
import { renderCommandHelp, renderHelp } from "./shell/help.ts";
import { reachLoopbackDirectly } from "./shell/loopback.ts";
import { Output, type Verbosity } from "./shell/output.ts";
import { resolveSettings, type Setting, variablesOf } from "./shell/settings.ts";
import { renderTable } from "./shell/table.ts";

/** Runs the program with the words after its name; resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { env } = process;
  reachLoopbackDirectly(env);
  const { verbosity, isForPrograms } = readOutputFlags(args);
  let output = new Output(verbosity, isForPrograms);
  let discard: Resolved["discard"];
  try {
    const words = translateHabits(args);
    const commands = await loadCommands(findCandidates(words));
    const { command, given, operands } = await parseWords(words, commands);
    if (given.has("help") || command === null) {
      const width = terminalWidth();
      await output.result(command === null ? renderHelp(COMMANDS, width) : renderCommandHelp(command, width));
      return EXIT.done;
    }
    const globals = resolveSettings(GLOBAL_FLAGS, { given, environment: env, file: null }).values;
    output = new Output(globals.quiet ? "quiet" : globals.verbose ? "verbose" : "normal", isForPrograms);
    const isSet = (name: string) =>
      given.has(name) || variablesOf(name, command.flags[name] as Flag<unknown>).some((it) => env[it]);
    const idle = new Set(command.idleFlags?.({ operands, isSet }));
    const sources = { given, environment: env, idle, file: null };
    const config = idle.has("config-file") ? undefined : command.configFile;
    const resolved: Resolved =
      config === undefined
        ? resolveSettings(command.flags, sources)
        : (await import("./shell/config-settings.ts")).applyConfigFile(
            command.flags,
            sources,
            config,
            output,
          );
    discard = resolved.discard;
    const { settings, values } = await withContextNamespace(command.flags, resolved);
    output.detail(`chain-link ${VERSION}, bun ${Bun.version}, ${process.platform}-${process.arch}`);
    if (globals.info) output.note(renderSettings(settings));
    const exitCode = await command.run({ flags: values, operands, settings, output, commands: COMMANDS });
    if (exitCode !== EXIT.done) discard?.();
    return exitCode;
  } catch (error) {
    discard?.();
    if (!(error instanceof UserError)) {
      // The runtime would print it too, but without escaping foreign text that controls the terminal.
      output.error(`internal error: ${(error instanceof Error && error.stack) || String(error)}`);
      return EXIT.failed;
    }
    output.failure(error);
    return error.code === "usage" ? EXIT.usage : EXIT.failed;
  }
}

type Resolved = ReturnType<typeof resolveSettings> & {
  /** Removes a config file that this run created, because the run failed. */
  readonly discard?: (() => void) | undefined;
};

/** Parses the words; the error for an unknown flag names the commands that have it. */
async function parseWords(words: readonly string[], commands: readonly Command[]): Promise<ParsedArguments> {
  try {
    return parseArguments(words, commands, GLOBAL_FLAGS);
  } catch (error) {
    if (!(error instanceof UnknownFlagError)) throw error;
    throw error.withOwners(await loadCommands(COMMANDS));
  }
}

/** Applies the namespace of the kubeconfig's context. Commands without cluster flags load no Kubernetes code. */
async function withContextNamespace(flags: FlagTable, resolved: Resolved): Promise<Resolved> {
  if (flags.kubeconfig === undefined) return resolved;
  const { readContextNamespace } = await import("./common/context-namespace.ts");
  const found = await readContextNamespace(resolved.settings, resolved.values);
  if (found === null) return resolved;
  return {
    settings: resolved.settings.map((setting) => (setting.name === found.name ? found : setting)),
    values: { ...resolved.values, [found.name]: found.value },
  };
}

/** How errors are printed. Read without validation, because the command line itself may be the error. */
function readOutputFlags(args: readonly string[]): { verbosity: Verbosity; isForPrograms: boolean } {
  const { values } = parseArgs({
    args: [...args],
    strict: false,
    allowPositionals: true,
    options: { output: { type: "string", short: "o" }, verbose: { type: "boolean", short: "v" } },
  });
  return {
    verbosity: values.verbose === true ? "verbose" : "normal",
    isForPrograms: values.output === "json",
  };
}

/** Width of standard output in characters. Reads `process.stdout` for a terminal only, as it is slow to create. */
function terminalWidth(): number {
  return (isatty(1) && process.stdout.columns) || DEFAULT_WIDTH;
}

/** Width when standard output is not a terminal. */
const DEFAULT_WIDTH = 80;

/** Accepts what people try first: `help COMMAND` means `COMMAND --help`, and `--version` means `version`. */
function translateHabits(args: readonly string[]): readonly string[] {
  const [first, ...rest] = args;
  if (first === "help") return [...rest, "--help"];
  return first === "--version" || first === "-V" ? ["version", ...rest] : args;
}

function renderSettings(settings: readonly Setting[]): string {
  const rows = settings.map(({ name, text, origin }) => [name, text || "-", origin]);
  return renderTable([{ title: "SETTING" }, { title: "VALUE" }, { title: "FROM" }], rows).join("\n");
}
