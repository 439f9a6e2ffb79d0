import { visibleLine } from "../lib/visible-text.ts";

type LogLevel = "debug" | "info" | "warn" | "error" | "off";

export const LOG_LEVELS = ["debug", "info", "warn", "error", "off"] as const satisfies readonly LogLevel[];

/** The level of a line. */
type LineLevel = Exclude<LogLevel, "off">;

interface AccessEntry {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly traceId: string;
}

export interface LinkLogOptions {
  readonly service: string;
  readonly level: LogLevel;
  readonly format: "text" | "json";
  /** One JSON line for every request. */
  readonly accessLog: boolean;
  /** Takes whole lines of the log. */
  readonly write: (line: string) => void;
  /** Takes whole lines of the access log. */
  readonly writeAccess: (line: string) => void;
}

/** The log lines of this many requests are written each second; the rest are counted. */
const REQUESTS_PER_SECOND = 50;

const RANK: Readonly<Record<LogLevel, number>> = { debug: 0, info: 1, warn: 2, error: 3, off: 4 };

/** The log of one link: the original's lines, once each, and never more than a terminal can display. */
export class LinkLog {
  readonly #options: LinkLogOptions;
  readonly #rank: number;
  /** Runs from the first request of a second until its end. */
  #second: Timer | undefined;
  #admitted = 0;
  #suppressed = 0;

  constructor(options: LinkLogOptions) {
    this.#options = options;
    this.#rank = RANK[options.level];
  }

  /** Whether to write the lines of one more request in this second. */
  admitRequest(): boolean {
    if (!this.writes("info")) return false;
    this.#second ??= setTimeout(() => this.#endSecond(), 1000);
    if (this.#admitted < REQUESTS_PER_SECOND) {
      this.#admitted++;
      return true;
    }
    this.#suppressed++;
    return false;
  }

  get hasAccessLog(): boolean {
    return this.#options.accessLog;
  }

  /** Writes what remains to be reported. */
  close(): void {
    this.#endSecond();
  }

  #endSecond(): void {
    clearTimeout(this.#second);
    this.#second = undefined;
    if (this.#suppressed > 0) this.info(`${this.#suppressed} requests not logged`);
    this.#admitted = 0;
    this.#suppressed = 0;
  }

  writes(level: LineLevel): boolean {
    return RANK[level] >= this.#rank;
  }

  debug(message: string): void {
    this.#write("debug", message);
  }

  info(message: string): void {
    this.#write("info", message);
  }

  warn(message: string): void {
    this.#write("warn", message);
  }

  error(message: string): void {
    this.#write("error", message);
  }

  access(entry: AccessEntry): void {
    const { accessLog, service, writeAccess } = this.#options;
    if (!accessLog) return;
    const durationMs = Number(entry.durationMs.toFixed(3));
    writeAccess(JSON.stringify({ time: new Date().toISOString(), service, ...entry, durationMs }));
  }

  #write(level: LineLevel, message: string): void {
    if (!this.writes(level)) return;
    const { format, service, write } = this.#options;
    write(
      format === "json"
        ? JSON.stringify({ time: new Date().toISOString(), level, service, message })
        : `${LABELS[level].padEnd(8)} ${visibleLine(message)}`,
    );
  }
}

const LABELS = { debug: "DEBUG", info: "INFO", warn: "WARNING", error: "ERROR" } as const;
