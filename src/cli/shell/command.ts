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
  /** Every command there is. */
  readonly commands: readonly CommandEntry[];
}

/** How a command is used, before its settings are known. */
export interface CommandUse {
  readonly operands: readonly string[];
  /** Whether a flag, or a variable of it, is there. */
  readonly isSet: (flag: string) => boolean;
}

/** What a command takes and does. */
export interface CommandBody<F extends FlagTable = FlagTable> {
  readonly examples: readonly { readonly line: string; readonly says: string }[];
  /** What may stand after the command. */
  readonly operands?: {
    readonly usage: string;
    readonly summary: string;
    readonly min: number;
    readonly max: number;
  };
  readonly flags: F;
  /**
   * Flags that mean nothing in this use of the command. Their variables are not read, as they may be meant for another use; on
   * the command line they are still checked.
   */
  readonly idleFlags?: (use: CommandUse) => readonly string[];
  /** Reads, and on its first run makes, the original's configuration file. */
  readonly usesConfigFile?: boolean;
  /** Resolves to the exit code. */
  run(invocation: Invocation<F>): Promise<number>;
}

/** One command as the list of commands has it: its body is loaded when it is needed. */
export interface CommandEntry {
  readonly name: string;
  /** One line, as it stands in the list of commands. */
  readonly summary: string;
  /** Not shown: parts of the program call it. */
  readonly isHidden?: boolean;
  readonly load: () => Promise<CommandBody>;
}

export type Command = Omit<CommandEntry, "load"> & CommandBody;

/** Infers the flag table's type; the list of commands forgets it. */
export function defineCommand<const F extends FlagTable>(command: CommandBody<F>): CommandBody {
  return command as unknown as CommandBody;
}

/** Commands with their bodies. */
export function loadCommands(entries: readonly CommandEntry[]): Promise<Command[]> {
  return Promise.all(entries.map(async ({ load, ...entry }) => ({ ...entry, ...(await load()) })));
}
