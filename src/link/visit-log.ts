import { newSpanId } from "../trace/ids.ts";
import type { Ledger } from "../trace/ledger.ts";
import type { SpanWords } from "./span-id.ts";

/** Visits that are remembered: 13 s of 5,000 a second, in 2 MB. A power of two. */
const CAPACITY = 65_536;
const WORDS = 9;

/** What a link recorded for one visit, without what it called. */
export type OwnSpans = Pick<Ledger, "count" | "high" | "low">;

/** A visit that one of the ids that are asked for leads to. */
export interface FoundVisit {
  /** Tells it from all others of the log. */
  readonly number: number;
  /** Index of the id that is the low half of its trace id; -1 where none is. */
  readonly traceAt: number;
  /** Index of the id that it named as parent; -1 where none is. */
  readonly parentAt: number;
  readonly spans: OwnSpans;
}

/**
 * The spans of the latest visits, so that they can be asked for when the answer of a visit reached nobody. Links of one
 * process share a log, so that its memory does not grow with their number.
 *
 *     place    0            1            …   a ring: the newest visit takes the place of the oldest
 *     words    trace (2)    trace (2)        the words of the low half of the trace id, scrambled
 *              parent (2)   parent (2)       the words of the span id that the visit named as parent, scrambled
 *              count        count            spans that the link itself recorded
 *              digest (2)   digest (2)       of these
 *              end          end              milliseconds after the start of the process, modulo 2^32
 *              link         link             number of the link that was visited
 */
export class VisitLog {
  /** Tells this log from others: who asks several links may reach one log more than once. */
  readonly id = newSpanId();
  readonly #capacity: number;
  /** Made with the first visit; memory that was never written to takes no room. */
  #words: Int32Array | null = null;
  /** Visits so far. */
  #count = 0;
  #links = 0;
  /** When the last visit ended that named no parent, on the clock of `performance.now()`; `null` before there was one. */
  lastBegunMs: number | null = null;

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /** The number of one more link whose visits are in the log. */
  addLink(): number {
    return this.#links++;
  }

  /** @param endMs On the clock of `performance.now()` */
  add(
    link: number,
    traceLow: SpanWords,
    parent: SpanWords,
    { count, high, low }: OwnSpans,
    endMs: number,
  ): void {
    this.#words ??= new Int32Array(this.#capacity * WORDS);
    const words = this.#words;
    const at = (this.#count++ & (this.#capacity - 1)) * WORDS;
    words[at] = traceLow.high;
    words[at + 1] = traceLow.low;
    words[at + 2] = parent.high;
    words[at + 3] = parent.low;
    words[at + 4] = count;
    words[at + 5] = high;
    words[at + 6] = low;
    words[at + 7] = endMs;
    words[at + 8] = link;
  }

  /** How long ago, in milliseconds, the last visit that was forgotten ended at most; `null` while all are remembered. */
  coveredMs(nowMs: number): number | null {
    if (this.#count <= this.#capacity || this.#words === null) return null;
    const oldest = (this.#count & (this.#capacity - 1)) * WORDS;
    return (nowMs - (this.#words[oldest + 7] as number)) >>> 0;
  }

  /**
   * The visits of a link in traces with these low halves, and those that named these spans as parent. One pass over the log, of
   * 1 ms at most.
   */
  find(link: number, ids: readonly SpanWords[]): FoundVisit[] {
    const words = this.#words;
    if (words === null) return [];
    const byHigh = Map.groupBy(ids.keys(), (index) => ids[index]?.high);
    const indexOf = (at: number) =>
      byHigh.get(words[at])?.find((index) => ids[index]?.low === words[at + 1]) ?? -1;
    const found: FoundVisit[] = [];
    for (let number = Math.max(0, this.#count - this.#capacity); number < this.#count; number++) {
      const at = (number & (this.#capacity - 1)) * WORDS;
      if (words[at + 8] !== link) continue;
      const traceAt = indexOf(at);
      const parentAt = indexOf(at + 2);
      if (traceAt === -1 && parentAt === -1) continue;
      const [count = 0, high = 0, low = 0] = words.subarray(at + 4, at + 7);
      found.push({ number, traceAt, parentAt, spans: { count, high: high >>> 0, low: low >>> 0 } });
    }
    return found;
  }
}

/** The log of this process. */
export const VISITS = new VisitLog();
