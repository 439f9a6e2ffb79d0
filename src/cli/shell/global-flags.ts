import { choiceFlag, switchFlag, textFlag } from "./flags.ts";

/** Path of the original's config file. */
const DEFAULT_CONFIG_FILE = "~/.config/chain-link/chain-link-cli.conf";

/** Flags that every command takes, before or after the command's name. */
export const GLOBAL_FLAGS = {
  help: switchFlag({ summary: "Show help and exit.", short: "h", env: [] }),
  info: switchFlag({ summary: "Show every setting and where its value comes from.", short: "d" }),
  verbose: switchFlag({ summary: "Print more details.", short: "v" }),
  quiet: switchFlag({ summary: "Print only results and errors.", short: "q" }),
} as const;

/** The flag of commands that read the original's config file. */
export const CONFIG_FILE_FLAG = {
  "config-file": textFlag(DEFAULT_CONFIG_FILE, {
    summary: "Config file with instances, namespace, image and sleep time.",
    placeholder: "FILE",
    completes: "file",
  }),
} as const;

export const outputFlag = <const C extends string>(choices: readonly C[], fallback: C, summary: string) =>
  choiceFlag(fallback, choices, { summary, short: "o", env: [] });
