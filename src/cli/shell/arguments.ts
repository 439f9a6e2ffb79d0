import { parseArgs } from "node:util";
import { UserError } from "../../lib/errors.ts";
import { ownValue } from "../../lib/record.ts";
import { findNearest } from "../../lib/suggestion.ts";
import type { Command } from "./command.ts";
import type { FlagTable } from "./flags.ts";

/** A parsed command line; values are still strings. */
export interface ParsedArguments {
  /** `null` when only flags were given. */
  readonly command: Command | null;
  /** Values by flag name, as typed; a switch that was given has the value `true`. */
  readonly given: ReadonlyMap<string, readonly string[]>;
  readonly operands: readonly string[];
}

/**
 * Parses a command line. Flags may come before or after the command and between operands. A flag that is a switch in one
 * command and takes a value in another must come after the command.
 * @throws {UserError} `usage`: an unknown command or flag, with the nearest known one; a flag without its value
 */
export function parseArguments(
  args: readonly string[],
  commands: readonly Command[],
  globalFlags: FlagTable,
): ParsedArguments {
  const tables = [globalFlags, ...commands.map(({ flags }) => flags)];
  const [commandName] = wordsOf(tokenize(args, tables));
  const command = commandName === undefined ? null : findCommand(commandName, commands);
  // Again, now that the command's own flag table can decide.
  const tokens = tokenize(args, command === null ? tables : [...tables, command.flags]);
  const [, ...operands] = wordsOf(tokens);
  const flags: FlagTable = { ...globalFlags, ...command?.flags };
  const given = new Map<string, string[]>();
  for (const token of tokens) {
    if (token.kind !== "option") continue;
    const name = currentName(token.name, flags);
    const flag = ownValue(flags, name);
    if (flag === undefined) throw new UnknownFlagError(token.rawName, flags, command);
    const text = readValue(token, flag);
    const texts = given.get(name);
    if (texts === undefined) given.set(name, [text]);
    else texts.push(text);
  }
  if (!given.has("help")) checkOperands(command, operands);
  return { command, given, operands };
}

/** When several tables have a flag of the same name, the last table wins. */
function tokenize(args: readonly string[], tables: readonly FlagTable[]) {
  const options = parserOptions(tables);
  return parseArgs({ args: [...args], options, strict: false, tokens: true, allowPositionals: true }).tokens;
}

function wordsOf(tokens: ReturnType<typeof tokenize>): string[] {
  return tokens.filter((token) => token.kind === "positional").map((token) => token.value);
}

function readValue(
  token: { rawName: string; value?: string | undefined; inlineValue?: boolean | undefined },
  flag: FlagTable[string],
): string {
  if (flag.placeholder === undefined) {
    // `--wait=false` turns off a switch that is on by default, as in kubectl.
    if (token.value === undefined || token.value === "true") return "true";
    if (token.value === "false") return "false";
    throw usage(
      `${token.rawName} takes no value other than true or false, found ${JSON.stringify(token.value)}`,
    );
  }
  // Without "=", a flag in place of the value means that the value was forgotten.
  const looksLikeFlag = token.inlineValue !== true && /^-[-a-zA-Z]/.test(token.value ?? "");
  if (token.value === undefined || looksLikeFlag) {
    throw usage(`${token.rawName} needs a value: ${token.rawName} ${flag.placeholder}`);
  }
  return token.value;
}

/** Translates a renamed flag's old name. */
function currentName(name: string, flags: FlagTable): string {
  return Object.keys(flags).find((it) => flags[it]?.formerName === name) ?? name;
}

function findCommand(name: string, commands: readonly Command[]): Command {
  const command = commands.find((candidate) => candidate.name === name);
  if (command !== undefined) return command;
  const nearest = findNearest(
    name,
    commands.filter((it) => !it.isHidden).map((it) => it.name),
  );
  throw usage(
    `unknown command ${JSON.stringify(name)}${suggest(nearest)}`,
    "See 'chain-link --help' for all commands.",
  );
}

/** A flag that the command does not have, with the nearest one that it has. */
export class UnknownFlagError extends UserError {
  readonly #rawName: string;
  readonly #command: Command | null;

  constructor(rawName: string, flags: FlagTable, command: Command | null) {
    const name = rawName.replace(/^-+/, "");
    const nearest = name.length > 1 ? findNearest(name, Object.keys(flags)) : undefined;
    const suggestion = suggest(nearest === undefined ? undefined : `--${nearest}`);
    super("usage", `unknown flag ${rawName}${suggestion}`, seeHelp(command));
    this.#rawName = rawName;
    this.#command = command;
  }

  /** The same error; if other commands have the flag, it names them instead of the nearest flag. */
  withOwners(commands: readonly Command[]): UserError {
    const name = this.#rawName.slice(2);
    const owners = commands.filter((it) => !it.isHidden && ownValue(it.flags, name) !== undefined);
    const [first, ...others] = owners.map((it) => `'${it.name}'`);
    if (first === undefined || this.#command === null || !this.#rawName.startsWith("--")) return this;
    const listed =
      others.length === 0 ? first : `${[first, ...others.slice(0, -1)].join(", ")} and ${others.at(-1)}`;
    return usage(
      `unknown flag ${this.#rawName} for ${this.#command.name}`,
      `It is a flag of ${listed}. ${seeHelp(this.#command)}`,
    );
  }
}

function seeHelp(command: Command | null): string {
  return `See 'chain-link${command === null ? "" : ` ${command.name}`} --help' for all flags.`;
}

function checkOperands(command: Command | null, operands: readonly string[]): void {
  if (command === null) return;
  const { min, max, usage: form } = command.operands ?? { min: 0, max: 0, usage: "" };
  const [extra] = operands.slice(max);
  if (extra !== undefined) {
    throw usage(`unexpected argument ${JSON.stringify(extra)}`, `See 'chain-link ${command.name} --help'.`);
  }
  if (operands.length < min)
    throw usage(`${command.name} needs ${form}`, `See 'chain-link ${command.name} --help'.`);
}

function parserOptions(
  tables: readonly FlagTable[],
): Record<string, { type: "string" | "boolean"; short?: string }> {
  const options: Record<string, { type: "string" | "boolean"; short?: string }> = {};
  for (const [name, flag] of tables.flatMap((table) => Object.entries(table))) {
    const type = flag.placeholder === undefined ? "boolean" : "string";
    options[name] = { type, ...(flag.short === undefined ? {} : { short: flag.short }) };
    if (flag.formerName !== undefined) options[flag.formerName] = { type };
  }
  return options;
}

function suggest(nearest: string | undefined): string {
  return nearest === undefined ? "" : ` (did you mean ${nearest}?)`;
}

function usage(message: string, hint?: string): UserError {
  return new UserError("usage", message, hint);
}
