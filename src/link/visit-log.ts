import { newSpanId } from "../trace/ids.ts";
import type { Ledger } from "../trace/ledger.ts";
import type { SpanWords } from "./span-id.ts";

/** Visits that are remembered: 13 s of 5,000 a second, in 2 MB. A power of two. */
const CAPACITY = 65_536;
const WORDS = 8;

/** What a link recorded for one visit, without what it called. */
export type OwnSpans = Pick<Ledger, "count" | "high" | "low">;

/**
 * The spans of the latest visits, by the span id that each named as parent, so that they can be asked for when the answer of a
 * visit reached nobody. Links of one process share a log, so that its memory does not grow with their number.
 *
 *     place    0            1            …   a ring: the newest visit takes the place of the oldest
 *     words    parent (2)   parent (2)       the words of the id, scrambled
 *              count        count            spans that the link itself recorded
 *              digest (2)   digest (2)       of these
 *              end          end              milliseconds after the start of the process, modulo 2^32
 */
export class VisitLog {
  /** Tells this log from others: who asks several links may reach one log more than once. */
  readonly id = newSpanId();
  readonly #capacity: number;
  /** Made with the first visit; memory that was never written to takes no room. */
  #words: Int32Array | null = null;
  /** Visits so far. */
  #count = 0;
  /** When the last visit ended that named no parent, on the clock of `performance.now()`; `null` before there was one. */
  lastBegunMs: number | null = null;

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /** @param endMs On the clock of `performance.now()` */
  add(parent: SpanWords, { count, high, low }: OwnSpans, endMs: number): void {
    this.#words ??= new Int32Array(this.#capacity * WORDS);
    const words = this.#words;
    const at = (this.#count++ & (this.#capacity - 1)) * WORDS;
    words[at] = parent.high;
    words[at + 1] = parent.low;
    words[at + 2] = count;
    words[at + 3] = high;
    words[at + 4] = low;
    words[at + 5] = endMs;
  }

  /** How long ago, in milliseconds, the last visit that was forgotten ended at most; `null` while all are remembered. */
  coveredMs(nowMs: number): number | null {
    if (this.#count <= this.#capacity || this.#words === null) return null;
    const oldest = (this.#count & (this.#capacity - 1)) * WORDS;
    return (nowMs - (this.#words[oldest + 5] as number)) >>> 0;
  }

  /** For each of the spans, the visits that named it as parent. One pass over the log, of 1 ms at most. */
  find(parents: readonly SpanWords[]): OwnSpans[][] {
    const found: OwnSpans[][] = parents.map(() => []);
    const words = this.#words;
    if (words === null) return found;
    const byHigh = Map.groupBy(parents.keys(), (index) => parents[index]?.high);
    const end = Math.min(this.#count, this.#capacity) * WORDS;
    for (let at = 0; at < end; at += WORDS) {
      const indexes = byHigh.get(words[at]);
      if (indexes === undefined) continue;
      const [, low, count = 0, digestHigh = 0, digestLow = 0] = words.subarray(at, at + WORDS);
      for (const index of indexes) {
        if (parents[index]?.low !== low) continue;
        found[index]?.push({ count, high: digestHigh >>> 0, low: digestLow >>> 0 });
      }
    }
    return found;
  }
}

/** The log of this process. */
export const VISITS = new VisitLog();
