/** So long after a line the same one is counted and not written. */
const GATHER_MS = 1000;

/** The log lines of many links: what all of them say at once is said once, and how many times more. */
export class LinkLines {
  readonly #write: (line: string) => void;
  /** How many times more it was said, of each line that was written a moment ago. */
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

  /** Says what is left to say. */
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
