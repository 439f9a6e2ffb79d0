import type { Command } from "./command.ts";
import type { FlagTable } from "./flags.ts";
import { GLOBAL_FLAGS } from "./global-flags.ts";

export type Shell = "bash" | "zsh" | "fish";

/** The program's installed names. */
const PROGRAMS = ["chain-link", "chain-link-cli"] as const;

/** Renders a completion script from the command tables. */
export function renderCompletion(shell: Shell, commands: readonly Command[]): string {
  const shown = commands.filter((command) => !command.isHidden);
  if (shell === "bash") return renderBash(shown);
  if (shell === "zsh") return renderZsh(shown);
  return renderFish(shown);
}

function flagsOf(command: Command): FlagTable {
  return { ...command.flags, ...GLOBAL_FLAGS };
}

/** Candidates for each operand of a command: a list of words, a file (`null`), or nothing (an empty list). */
function operandsOf({ operands }: Command): readonly (readonly string[] | null)[] {
  const places = operands?.usage.split(" ") ?? [];
  return places.map((place) => {
    if (/FILE|TOPOLOGY/.test(place)) return null;
    return place.split("|").filter((word) => /^[a-z]+$/.test(word));
  });
}

/** Spellings of a flag: `--output`, and `-o` if it has a letter. */
function spellings(name: string, flag: FlagTable[string]): readonly string[] {
  return flag.short === undefined ? [`--${name}`] : [`--${name}`, `-${flag.short}`];
}

/** Placeholder for file names in a list of words. */
const FILES = "<files>";

function renderBash(commands: readonly Command[]): string {
  const globalNames = Object.keys(GLOBAL_FLAGS).map((name) => `--${name}`);
  const cases = commands.map((command) => {
    const flags = Object.entries(flagsOf(command));
    const names = flags.map(([name]) => `--${name}`).join(" ");
    const valued = flags
      .filter(([, { placeholder }]) => placeholder !== undefined)
      .flatMap(([name, flag]) => spellings(name, flag));
    const places = operandsOf(command).map((words) => `"${words === null ? FILES : words.join(" ")}"`);
    return `    ${command.name}) flags="${names}" valued=" ${valued.join(" ")} " places=(${places.join(" ")}) ;;`;
  });
  const values = commands.flatMap((command) =>
    Object.entries(flagsOf(command)).flatMap(([name, flag]) => {
      const words = flag.choices?.join(" ") ?? (flag.completes === undefined ? "" : FILES);
      const pattern = spellings(name, flag).map((it) => `"${command.name} ${it}"`);
      return words === "" ? [] : [`      ${pattern.join("|")}) words="${words}" ;;`];
    }),
  );
  return `# bash completion for chain-link; source it, or put it into /etc/bash_completion.d
_chain_link() {
  local word=\${COMP_WORDS[COMP_CWORD]} command= flags= valued= flag= words= place=0 i
  local -a places=()
  # Bash splits --flag=value into three words.
  if [[ $word == = ]]; then word=; fi
  for ((i = 1; i < COMP_CWORD; i++)); do
    case \${COMP_WORDS[i]} in
    ${commands.map(({ name }) => name).join("|")}) command=\${COMP_WORDS[i]}; break ;;
    esac
  done
  case $command in
${cases.join("\n")}
    *) COMPREPLY=($(compgen -W "${commands.map(({ name }) => name).join(" ")} ${globalNames.join(" ")}" -- "$word")); return ;;
  esac
  for ((i++; i < COMP_CWORD; i++)); do
    if [[ $valued == *" \${COMP_WORDS[i]} "* ]]; then
      flag=\${COMP_WORDS[i++]}
      if [[ \${COMP_WORDS[i]} == = && $i -lt $COMP_CWORD ]]; then ((i++)); fi
    elif [[ \${COMP_WORDS[i]} == - || \${COMP_WORDS[i]} != -* ]]; then
      ((place++))
    fi
  done
  if ((i > COMP_CWORD)); then
    case "$command $flag" in
${values.join("\n")}
    esac
  elif [[ $word == -* ]]; then
    words=$flags
  else
    words=\${places[place]:-$flags}
  fi
  if [[ $words == "${FILES}" ]]; then
    local IFS=$'\\n'
    COMPREPLY=($(compgen -f -- "$word"))
    compopt -o filenames
  else
    COMPREPLY=($(compgen -W "$words" -- "$word"))
  fi
}
complete -F _chain_link ${PROGRAMS.join(" ")}
`;
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
      const text = `[${quote(flag.summary)}]${value}`;
      // A value follows a space, or the = of the long name.
      const long = `--${name}${value === "" ? "" : "="}`;
      const names = flag.short === undefined ? [long] : [long, `-${flag.short}`];
      const before = flag.isRepeatable ? "*" : `(${spellings(name, flag).join(" ")})`;
      return names.map((it) => `'${before}${it}${text}'`).join(" ");
    });
  const cases = commands.map((command) => {
    const operand = operandsOf(command)
      .map((words, index) => `'${index + 1}:argument:${words === null ? "_files" : `(${words.join(" ")})`}' `)
      .join("");
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
    `complete -c ${program} -n '__chain_link_command_is ""' -f`,
    ...commands.flatMap((command) => {
      const isSeen = `__chain_link_command_is ${command.name}`;
      return [
        `complete -c ${program} -n '__chain_link_command_is ""' -f -a ${command.name} -d ${quote(command.summary)}`,
        ...renderFishOperands(command).map((it) => `complete -c ${program} -n '${isSeen}${it}`),
        ...Object.entries(flagsOf(command)).map(([name, flag]) => {
          const short = flag.short === undefined ? "" : ` -s ${flag.short}`;
          const value =
            flag.placeholder === undefined
              ? ""
              : flag.choices !== undefined
                ? ` -x -a ${quote(flag.choices.join(" "))}`
                : flag.completes === undefined
                  ? " -x"
                  : " -r -F";
          return `complete -c ${program} -n '${isSeen}'${short} -l ${name}${value} -d ${quote(flag.summary)}`;
        }),
      ];
    }),
  ]);
  return `# fish completion for chain-link
# The first word that is a command is the command: "import" is one, and a word of "traces".
function __chain_link_command_is -a wanted
  for word in (commandline -opc)[2..]
    if contains -- $word ${names}
      test "$word" = "$wanted"
      return
    end
  end
  test -z "$wanted"
end
${lines.join("\n")}
`;
}

/** Conditions and words for a command's operands; fish offers files unless told otherwise. */
function renderFishOperands(command: Command): string[] {
  const [first, second] = operandsOf(command);
  if (first === null) return [];
  if (first === undefined || first.length === 0) return ["' -f"];
  const words = first.join(" ");
  return [
    `; and not __fish_seen_subcommand_from ${words}' -f -a '${words}'`,
    ...(second === null ? [] : [`; and __fish_seen_subcommand_from ${words}' -f`]),
  ];
}
