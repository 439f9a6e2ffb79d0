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
  readonly isTerminal: boolean;
  readonly verbosity: Verbosity;
  readonly #hasColour: boolean;

  constructor(options: {
    readonly isTerminal: boolean;
    readonly hasColour: boolean;
    readonly verbosity: Verbosity;
  }) {
    this.isTerminal = options.isTerminal;
    this.verbosity = options.verbosity;
    this.#hasColour = options.hasColour;
  }

  /** Writes to standard output, all of it before this resolves. */
  async result(text: string): Promise<void> {
    await Bun.write(Bun.stdout, text);
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
    process.stderr.write(text);
  }

  style(style: Style, text: string): string {
    return this.#hasColour ? `${STYLES[style]}${text}${RESET}` : text;
  }

  #log(level: string, style: Style, ...texts: readonly string[]): void {
    const label = this.style(style, level.padEnd(8));
    this.raw(texts.map((text) => `${label} ${text}\n`).join(""));
  }
}
