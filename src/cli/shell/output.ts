import { hideInUrls } from "../../lib/endpoint.ts";
import { errorCode, errorText, UserError } from "../../lib/errors.ts";
import { visibleLine, visibleText } from "../../lib/visible-text.ts";
import { EXIT } from "./exit.ts";

/** How much is printed besides results. */
export type Verbosity = "quiet" | "normal" | "verbose";

/** The parts of an error that users see. */
export type Failure = Pick<UserError, "code" | "message" | "hint">;

const RESET = "\x1b[0m";
const STYLES = {
  bold: "\x1b[1m",
  dim: "\x1b[2m",
  red: "\x1b[31m",
  green: "\x1b[32m",
  yellow: "\x1b[33m",
  cyan: "\x1b[36m",
};

type Style = keyof typeof STYLES;

/**
 * Until text is written, a private-use character stands for each of our own escape sequences, which distinguishes them from
 * escape sequences in foreign text. The characters are random; guessing one gains an attacker a color.
 */
const MARKED = Object.values({ ...STYLES, RESET });
const FIRST_MARK = 0x10_0000 + Math.floor(Math.random() * 0xf000);
const MARKS = new RegExp(
  `[\\u{${FIRST_MARK.toString(16)}}-\\u{${(FIRST_MARK + MARKED.length - 1).toString(16)}}]`,
  "gu",
);

function markOf(sequence: string): string {
  return String.fromCodePoint(FIRST_MARK + MARKED.indexOf(sequence));
}

function withoutMarks(text: string): string {
  return text.replace(MARKS, (mark) => MARKED[(mark.codePointAt(0) ?? 0) - FIRST_MARK] ?? "");
}

/**
 * Results go to standard output, messages to standard error. There are colors only where standard error is a terminal and
 * `NO_COLOR` is not set (https://no-color.org). Everything is written as {@link visibleText}: names, server messages and other
 * foreign text cannot control the terminal.
 */
export class Output {
  #terminal: boolean | null = null;
  #messages: NodeJS.WriteStream | null = null;
  #lines: NodeJS.WriteStream | null = null;

  readonly #held: string[] = [];
  /** Whether a program reads what is printed (`-o json`). */
  readonly #isForPrograms: boolean;

  constructor(
    readonly verbosity: Verbosity,
    isForPrograms = false,
  ) {
    this.#isForPrograms = isForPrograms;
  }

  /** Whether standard error is a terminal. Lazy: creating `process.stderr` takes 11 ms, and help takes 20 in all. */
  get isTerminal(): boolean {
    this.#terminal ??= process.stderr.isTTY === true;
    return this.#terminal;
  }

  /** Writes all of the text to standard output before it resolves. A closed pipe ends the program without an error. */
  async result(text: string): Promise<void> {
    try {
      await Bun.write(Bun.stdout, visibleText(text));
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

  /** Prints lines in the original's log format: the level padded to 8, then the text. */
  info(...texts: readonly string[]): void {
    if (this.verbosity !== "quiet") this.#log("INFO", "green", ...texts);
  }

  detail(text: string): void {
    if (this.verbosity === "verbose") this.#log("INFO", "green", text);
  }

  warn(text: string): void {
    if (this.verbosity !== "quiet") this.#log("WARNING", "yellow", text);
  }

  /** Defers a warning until {@link tellHeld}, so that it does not precede an unrelated error. */
  hold(text: string): void {
    this.#held.push(text);
  }

  tellHeld(): void {
    for (const text of this.#held.splice(0)) this.warn(text);
  }

  error(text: string): void {
    this.#log("ERROR", "red", text);
  }

  /** Prints what to do about an error, indented below it. */
  hint(text: string): void {
    this.print(`${INDENT}${this.style("dim", indentMore(text))}\n`);
  }

  /** Prints an error, its hint and, if requested, its code. */
  failure(failure: Failure): void {
    // The message may quote a URL that was given in place of another operand.
    this.error(hideInUrls(failure.message));
    if (failure.hint !== undefined) this.hint(failure.hint);
    this.failureCode(failure);
  }

  /**
   * Adds the code to a printed error: in words with `-v`, as one line of JSON with `-o json`. Never on standard output, so
   * that `generate -o json | kubectl apply -f -` applies nothing.
   */
  failureCode({ code, message, hint }: Failure): void {
    if (this.#isForPrograms) {
      this.print(`${JSON.stringify({ error: { code, message: hideInUrls(message), hint } })}\n`);
    } else if (this.verbosity === "verbose") {
      this.hint(`error code: ${code}`);
    }
  }

  /** Prints a line for people that is neither a result nor a log line. */
  note(text: string): void {
    if (this.verbosity !== "quiet") this.print(`${text}\n`);
  }

  /** Writes text to standard error. */
  print(text: string): void {
    this.#write(withoutMarks(visibleText(text)));
  }

  /** Writes a log line of another component to standard error. */
  logLine(text: string): void {
    this.print(`${visibleLine(text)}\n`);
  }

  /** Clears the terminal's current line. */
  clearLine(): void {
    this.#write("\r\x1b[K");
  }

  /** Moves the terminal's cursor up by `count` lines and clears everything below. */
  eraseLines(count: number): void {
    if (count > 0) this.#write(`\r\x1b[${count}A\x1b[0J`);
  }

  /** Writes a line of a continuous log to standard output. */
  line(text: string): void {
    this.#lines ??= withoutPipeErrors(process.stdout);
    this.#lines.write(`${visibleLine(text)}\n`);
  }

  style(style: Style, text: string): string {
    const hasColor = this.isTerminal && (process.env.NO_COLOR ?? "") === "";
    return hasColor ? `${markOf(STYLES[style])}${text}${markOf(RESET)}` : text;
  }

  #log(level: string, style: Style, ...texts: readonly string[]): void {
    const label = this.style(style, level.padEnd(8));
    this.print(texts.map((text) => `${label} ${indentMore(text)}\n`).join(""));
  }

  #write(text: string): void {
    this.#messages ??= withoutPipeErrors(process.stderr);
    this.#messages.write(text);
  }
}

/** As wide as a log line's label. */
const INDENT = " ".repeat(9);

/** Indents the other lines of a message, so that none can be mistaken for a message of its own. */
function indentMore(text: string): string {
  return text.replace(/\n(?=[^\s])/g, `\n${INDENT}`);
}

/** Servers keep running when nobody reads their log any more. */
function withoutPipeErrors(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  return stream.on("error", () => {});
}
