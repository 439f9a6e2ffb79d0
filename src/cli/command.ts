import type { FlagTable, FlagValues } from "./flags.ts";
import type { Output } from "./output.ts";
import type { Setting } from "./settings.ts";

/** What a command gets to run with. */
export interface Invocation<F extends FlagTable = FlagTable> {
  readonly flags: FlagValues<F>;
  /** What stands after the command and is no flag. */
  readonly operands: readonly string[];
  /** Every setting with where its value came from, in the order of the flag table. */
  readonly settings: readonly Setting[];
  readonly output: Output;
}

/** One command of the command line. */
export interface Command<F extends FlagTable = FlagTable> {
  readonly name: string;
  /** One line, as it stands in the list of commands. */
  readonly summary: string;
  readonly examples: readonly { readonly line: string; readonly says: string }[];
  /** What may stand after the command. */
  readonly operands?: {
    readonly usage: string;
    readonly summary: string;
    readonly min: number;
    readonly max: number;
  };
  readonly flags: F;
  /** Reads, and on its first run makes, the original's configuration file. */
  readonly usesConfigFile?: boolean;
  /** Not shown: parts of the program call it. */
  readonly isHidden?: boolean;
  /** Resolves to the exit code. */
  run(invocation: Invocation<F>): Promise<number>;
}

/** Infers the flag table's type; the list of commands forgets it. */
export function defineCommand<const F extends FlagTable>(command: Command<F>): Command {
  return command as unknown as Command;
}

/** Exit codes that commands share. */
export const EXIT = { done: 0, failed: 1, usage: 2, unknown: 3, interrupted: 130 } as const;
