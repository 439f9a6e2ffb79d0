import { errorCode, errorText, UserError } from "../lib/errors.ts";
import { EXIT } from "./exit.ts";

/** How much the program says besides its results. */
export type Verbosity = "quiet" | "normal" | "verbose";

const RESET = "\x1b[0m";
const STYLES = {
  bold: "\x1b[1m",
  dim: "\x1b[2m",
  red: "\x1b[31m",
  green: "\x1b[32m",
  yellow: "\x1b[33m",
  cyan: "\x1b[36m",
};

export type Style = keyof typeof STYLES;

/**
 * Results go to standard output, messages to standard error. Colours only where standard error is a terminal and
 * `NO_COLOR` is not set (https://no-color.org).
 */
export class Output {
  #terminal: boolean | null = null;
  #messages: NodeJS.WriteStream | null = null;
  #lines: NodeJS.WriteStream | null = null;

  constructor(readonly verbosity: Verbosity) {}

  /** Whether a person reads the messages. Asked late: `process.stderr` takes 11 ms to make, help is there in 20. */
  get isTerminal(): boolean {
    this.#terminal ??= process.stderr.isTTY === true;
    return this.#terminal;
  }

  /** Writes to standard output, all of it before this resolves. A reader that went away has had enough. */
  async result(text: string): Promise<void> {
    try {
      await Bun.write(Bun.stdout, text);
    } catch (error) {
      if (errorCode(error) === "EPIPE") process.exit(EXIT.done);
      throw new UserError(
        "file-unwritable",
        `cannot write to standard output: ${errorText(error)}`,
        undefined,
        {
          cause: error,
        },
      );
    }
  }

  /** Lines of the original's log: the level padded to 8, then the text. */
  info(...texts: readonly string[]): void {
    if (this.verbosity !== "quiet") this.#log("INFO", "green", ...texts);
  }

  detail(text: string): void {
    if (this.verbosity === "verbose") this.#log("INFO", "green", text);
  }

  warn(text: string): void {
    if (this.verbosity !== "quiet") this.#log("WARNING", "yellow", text);
  }

  error(text: string): void {
    this.#log("ERROR", "red", text);
  }

  /** A line for people that is neither result nor log. */
  note(text: string): void {
    if (this.verbosity !== "quiet") this.raw(`${text}\n`);
  }

  /** Writes to standard error as it is. */
  raw(text: string): void {
    this.#messages ??= withoutPipeErrors(process.stderr);
    this.#messages.write(text);
  }

  /** A line of a running log on standard output. */
  line(text: string): void {
    this.#lines ??= withoutPipeErrors(process.stdout);
    this.#lines.write(`${text}\n`);
  }

  style(style: Style, text: string): string {
    const hasColour = this.isTerminal && (process.env.NO_COLOR ?? "") === "";
    return hasColour ? `${STYLES[style]}${text}${RESET}` : text;
  }

  #log(level: string, style: Style, ...texts: readonly string[]): void {
    const label = this.style(style, level.padEnd(8));
    this.raw(texts.map((text) => `${label} ${text}\n`).join(""));
  }
}

/** A program that serves goes on when nobody reads its log any more. */
function withoutPipeErrors(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return stream.on("error", () => {});
}
