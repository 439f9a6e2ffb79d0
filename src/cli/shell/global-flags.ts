import { choiceFlag, switchFlag, textFlag } from "./flags.ts";

/** Where the original keeps its configuration file. */
export const DEFAULT_CONFIG_FILE = "~/.config/chain-link/chain-link-cli.conf";

/** Flags that every command takes, before or after the command's name. */
export const GLOBAL_FLAGS = {
  help: switchFlag({ summary: "Show help and exit.", short: "h", env: [] }),
  info: switchFlag({ summary: "Show every setting and where its value came from.", short: "d" }),
  verbose: switchFlag({ summary: "Say more.", short: "v" }),
  quiet: switchFlag({ summary: "Say nothing but results and errors.", short: "q" }),
} as const;

/** Of the commands that read the original's configuration file. */
export const CONFIG_FILE_FLAG = {
  "config-file": textFlag(DEFAULT_CONFIG_FILE, {
    summary: "The configuration file; made on the first run.",
    placeholder: "FILE",
    completes: "file",
  }),
} as const;

export const outputFlag = <const C extends string>(choices: readonly C[], fallback: C, summary: string) =>
  choiceFlag(fallback, choices, { summary, short: "o", env: [] });
