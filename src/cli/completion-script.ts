import type { Command } from "./command.ts";
import type { FlagTable } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

export type Shell = "bash" | "zsh" | "fish";

/** Names under which the program is installed. */
const PROGRAMS = ["chain-link", "chain-link-cli"] as const;

/** A completion script made from the command tables. */
export function renderCompletion(shell: Shell, commands: readonly Command[]): string {
  const shown = commands.filter((command) => !command.isHidden);
  if (shell === "bash") return renderBash(shown);
  if (shell === "zsh") return renderZsh(shown);
  return renderFish(shown);
}

function flagsOf(command: Command): FlagTable {
  return { ...command.flags, ...GLOBAL_FLAGS };
}

/** Words that a command takes as its argument, where there is a fixed set. */
function operandWords(command: Command): readonly string[] {
  return command.operands?.usage.includes("|") === true ? command.operands.usage.split("|") : [];
}

function renderBash(commands: readonly Command[]): string {
  const cases = commands.map((command) => {
    const words = Object.keys(flagsOf(command)).map((name) => `--${name}`);
    return `    ${command.name}) words="${[...operandWords(command), ...words].join(" ")}" ;;`;
  });
  const values = distinctValueFlags(commands).map(
    ([name, choices]) =>
      `    --${name}) COMPREPLY=($(compgen -W "${choices.join(" ")}" -- "$word")); return ;;`,
  );
  return `# bash completion for chain-link; source it, or put it into /etc/bash_completion.d
_chain_link() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD-1]} command= words= i
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${commands.map(({ name }) => name).join("|")}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $previous in
${values.join("\n")}
  esac
  case $command in
${cases.join("\n")}
    *) words="${commands.map(({ name }) => name).join(" ")} ${Object.keys(GLOBAL_FLAGS)
      .map((name) => `--${name}`)
      .join(" ")}" ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  if [[ \${#COMPREPLY[@]} -eq 0 && $word != -* ]]; then compopt -o default; fi
}
complete -F _chain_link ${PROGRAMS.join(" ")}
`;
}

/** Flags with a fixed set of values; the same name has the same values in every command. */
function distinctValueFlags(commands: readonly Command[]): (readonly [string, readonly string[]])[] {
  const flags = new Map<string, Set<string>>();
  for (const [name, flag] of commands.flatMap((command) => Object.entries(flagsOf(command)))) {
    if (flag.choices === undefined) continue;
    const choices = flags.get(name) ?? new Set();
    for (const choice of flag.choices) choices.add(choice);
    flags.set(name, choices);
  }
  return [...flags].map(([name, choices]) => [name, [...choices]] as const);
}

function renderZsh(commands: readonly Command[]): string {
  const quote = (text: string) => text.replaceAll("'", "'\\''").replaceAll(/[[\]:]/g, "\\$&");
  const specs = (command: Command) =>
    Object.entries(flagsOf(command)).map(([name, flag]) => {
      const value =
        flag.placeholder === undefined
          ? ""
          : flag.choices !== undefined
            ? `:value:(${flag.choices.join(" ")})`
            : `:value:${flag.completes === undefined ? " " : flag.completes === "file" ? "_files" : "_files -/"}`;
      const repeat = flag.isRepeatable ? "*" : "";
      return `'${repeat}--${name}[${quote(flag.summary)}]${value}'`;
    });
  const cases = commands.map((command) => {
    const words = operandWords(command);
    const operand =
      command.operands === undefined
        ? ""
        : words.length > 0
          ? `'1:argument:(${words.join(" ")})' `
          : "'*:file:_files' ";
    return `      ${command.name}) _arguments -s ${operand}${specs(command).join(" ")} ;;`;
  });
  const list = commands.map((command) => `    '${command.name}:${quote(command.summary)}'`);
  return `#compdef ${PROGRAMS.join(" ")}
# zsh completion for chain-link; put it as _chain-link into a folder of your fpath
_chain_link() {
  local state
  local -a commands
  commands=(
${list.join("\n")}
  )
  _arguments -C '1:command:->command' '*::argument:->argument'
  case $state in
    command) _describe command commands ;;
    argument)
      case $words[1] in
${cases.join("\n")}
      esac ;;
  esac
}
if [ "$funcstack[1]" = "_chain-link" ]; then _chain_link "$@"; else compdef _chain_link ${PROGRAMS.join(" ")}; fi
`;
}

function renderFish(commands: readonly Command[]): string {
  const quote = (text: string) => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`;
  const names = commands.map(({ name }) => name).join(" ");
  const lines = PROGRAMS.flatMap((program) => [
    `complete -c ${program} -n 'not __fish_seen_subcommand_from ${names}' -f`,
    ...commands.flatMap((command) => {
      const isSeen = `-n '__fish_seen_subcommand_from ${command.name}'`;
      const words = operandWords(command);
      return [
        `complete -c ${program} -n 'not __fish_seen_subcommand_from ${names}' -f -a ${command.name} -d ${quote(command.summary)}`,
        ...(words.length === 0 ? [] : [`complete -c ${program} ${isSeen} -f -a ${quote(words.join(" "))}`]),
        ...Object.entries(flagsOf(command)).map(([name, flag]) => {
          const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
          const value =
            flag.placeholder === undefined
              ? ""
              : flag.choices !== undefined
                ? ` -x -a ${quote(flag.choices.join(" "))}`
                : flag.completes === undefined
                  ? " -x"
                  : " -r";
          return `complete -c ${program} ${isSeen}${short} -l ${name}${value} -d ${quote(flag.summary)}`;
        }),
      ];
    }),
  ]);
  return `# fish completion for chain-link\n${lines.join("\n")}\n`;
}
