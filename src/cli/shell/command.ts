import type { FlagTable, FlagValues } from "./flags.ts";
import type { Output } from "./output.ts";
import type { Setting } from "./settings.ts";

/** The arguments of a command's `run`. */
interface Invocation<F extends FlagTable = FlagTable> {
  readonly flags: FlagValues<F>;
  /** Words after the command that are not flags. */
  readonly operands: readonly string[];
  /** Every setting with where its value came from, in the order of the flag table. */
  readonly settings: readonly Setting[];
  readonly output: Output;
  /** Every command of the program. */
  readonly commands: readonly CommandEntry[];
}

/** What the command line says, before settings are resolved. */
export interface CommandUse {
  readonly operands: readonly string[];
  /** Whether a flag or one of its environment variables is set. */
  readonly isSet: (flag: string) => boolean;
}

/** A command's flags, operands and action. */
interface CommandBody<F extends FlagTable = FlagTable> {
  readonly examples: readonly { readonly line: string; readonly says: string }[];
  /** Words that the command accepts after its name. */
  readonly operands?: {
    readonly usage: string;
    readonly summary: string;
    readonly min: number;
    readonly max: number;
  };
  readonly flags: F;
  /**
   * Flags that have no effect in this use of the command. Their environment variables are ignored, as they may be meant for
   * another use; on the command line they are still checked.
   */
  readonly idleFlags?: (use: CommandUse) => readonly string[];
  /** Whether the command reads the original's config file, or also creates it when its first run succeeds. */
  readonly configFile?: "reads" | "creates";
  /** Resolves to the exit code. */
  run(invocation: Invocation<F>): Promise<number>;
}

/** One command in the list of commands; its body is loaded on demand. */
export interface CommandEntry {
  readonly name: string;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Hidden from help: other parts of the program call it. */
  readonly isHidden?: boolean;
  readonly load: () => Promise<CommandBody>;
}

export type Command = Omit<CommandEntry, "load"> & CommandBody;

/** Checks `run` against the types of the flag table, which the list of commands erases. */
export function defineCommand<const F extends FlagTable>(command: CommandBody<F>): CommandBody {
  return command as unknown as CommandBody;
}

/** Loads the bodies of commands. */
export function loadCommands(entries: readonly CommandEntry[]): Promise<Command[]> {
  return Promise.all(entries.map(async ({ load, ...entry }) => ({ ...entry, ...(await load()) })));
}
