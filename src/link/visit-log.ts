import { newSpanId } from "../trace/ids.ts";
import type { Ledger } from "../trace/ledger.ts";
import type { SpanWords } from "./span-id.ts";

/** Maximum remembered visits: 13 s at 5,000 per second, in 2 MB. A power of two. */
const CAPACITY = 65_536;
const WORDS = 9;

/** The spans that a link itself recorded for one visit, without those of its callees. */
export type OwnSpans = Pick<Ledger, "count" | "high" | "low">;

/** A visit found by one of the requested ids. */
interface FoundVisit {
  /** Identifies it within its log. */
  readonly number: number;
  /** Index of the id that is the low half of its trace id; -1 if none is. */
  readonly traceAt: number;
  /** Index of the id that it had as parent; -1 if none is. */
  readonly parentAt: number;
  readonly spans: OwnSpans;
}

/**
 * The spans of the latest visits, for queries after the answer of a visit was lost. Links of one process share a log, so
 * that its memory does not grow with their number.
 *
 *     place    0            1            …   a ring: the newest visit replaces the oldest
 *     words    trace (2)    trace (2)        the words of the low half of the trace id, scrambled
 *              parent (2)   parent (2)       the words of the visit's parent span id, scrambled
 *              count        count            number of spans that the link itself recorded
 *              digest (2)   digest (2)       digest of these spans
 *              end          end              milliseconds since the start of the process, modulo 2^32
 *              link         link             number of the visited link
 */
export class VisitLog {
  /** Identifies this log: a client that asks several links may reach the same log more than once. */
  readonly id = newSpanId();
  readonly #capacity: number;
  /** Allocated with the first visit; pages that were never written to take no memory. */
  #words: Int32Array | null = null;
  /** Number of visits so far. */
  #count = 0;
  #links = 0;
  /** When the last visit without a parent ended, as a time of `performance.now()`; `null` if there was none. */
  lastBegunMs: number | null = null;

  constructor(capacity = CAPACITY) {
    this.#capacity = capacity;
  }

  /** Assigns a number to another link whose visits are logged. */
  addLink(): number {
    return this.#links++;
  }

  /** @param endMs a time of `performance.now()` */
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

  /** At most how long ago, in milliseconds, the most recently forgotten visit ended; `null` if all are remembered. */
  coveredMs(nowMs: number): number | null {
    if (this.#count <= this.#capacity || this.#words === null) return null;
    const oldest = (this.#count & (this.#capacity - 1)) * WORDS;
    return (nowMs - (this.#words[oldest + 7] as number)) >>> 0;
  }

  /**
   * The visits of a link in traces with these low halves, and those with these spans as parent. One pass over the log,
   * which takes at most 1 ms.
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
