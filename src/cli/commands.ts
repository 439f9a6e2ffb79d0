import type { Command } from "./command.ts";
import { completion } from "./completion.ts";
import { generate } from "./generate.ts";
import { link } from "./link.ts";
import { linkProcess } from "./link-process.ts";
import { load } from "./load.ts";
import { up } from "./up.ts";
import { version } from "./version.ts";

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [up, generate, link, load, completion, version, linkProcess];
