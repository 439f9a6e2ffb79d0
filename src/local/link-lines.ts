/** For this long after a line, repetitions of it are counted instead of written. */
const GATHER_MS = 1000;

/** The log lines of many links. A line that all of them log is written once, followed by the number of repetitions. */
export class LinkLines {
  readonly #write: (line: string) => void;
  /** Number of repetitions of each recently written line. */
  readonly #repeats = new Map<string, number>();
  readonly #timers = new Set<Timer>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  write(line: string): void {
    const repeats = this.#repeats.get(line);
    if (repeats !== undefined) return void this.#repeats.set(line, repeats + 1);
    this.#repeats.set(line, 0);
    this.#write(line);
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#end(line);
    }, GATHER_MS);
    this.#timers.add(timer);
  }

  /** Writes the pending repetitions. */
  close(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    for (const line of this.#repeats.keys()) this.#end(line);
  }

  #end(line: string): void {
    const repeats = this.#repeats.get(line) ?? 0;
    this.#repeats.delete(line);
    if (repeats > 0) this.#write(`${line} (${repeats} more ${repeats === 1 ? "time" : "times"})`);
  }
}
