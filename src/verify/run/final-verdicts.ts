import { Histogram } from "../../lib/histogram.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import { Tally } from "../judge/tally.ts";
import { causeOf } from "../judge/unknown-cause.ts";
import type { Verdict } from "../judge/verdict.ts";
import type { RunLedger } from "./run-ledger.ts";

/** Enough to tell that a backend has lost what it had. */
const EARLIEST = 16;

/** What is known for good of the requests of a run, and how long their traces took. */
export class FinalVerdicts {
  /** Microseconds from the end of a request until its trace was seen complete; of requests that ended while this was there. */
  readonly latency = new Histogram();
  readonly #book: RunLedger;
  readonly #ids: RunIds;
  readonly #maxExamples: number | undefined;
  readonly #startedAt = Date.now();
  /** The requests whose traces were seen complete first. */
  readonly earliest: LedgerRecord[] = [];
  /** Numbers of requests whose traces are not complete. */
  readonly #faulty = new Set<number>();
  #tally: Tally;
  /** What is asked for anew is not seen for the first time. */
  #isFirst = true;

  constructor(book: RunLedger, ids: RunIds, maxExamples?: number) {
    this.#book = book;
    this.#maxExamples = maxExamples;
    this.#tally = new Tally(maxExamples);
    this.#ids = ids;
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** @param seenAt Milliseconds since 1970 at which the spans were there; not given where none were looked for */
  add(record: LedgerRecord, verdict: Verdict, seenAt?: number): void {
    const endedAt = this.#book.endOf(record);
    this.#tally.add(this.#ids.traceId(record.sequence), endedAt, verdict, causeOf(record, verdict));
    if (verdict.class !== "complete") {
      this.#faulty.add(record.sequence);
      return;
    }
    if (this.earliest.length < EARLIEST) this.earliest.push(record);
    if (seenAt !== undefined && this.#isFirst && endedAt >= this.#startedAt)
      this.latency.record(Math.max(0, seenAt - endedAt) * 1000);
  }

  /** Copies of a request's spans that the backend has not kept. */
  addSwallowed(sequence: number, copies: number): void {
    this.#tally.addSwallowed(copies, !this.#faulty.has(sequence));
  }

  /** Nothing is known any more. */
  startOver(): void {
    this.#tally = new Tally(this.#maxExamples);
    this.#faulty.clear();
    this.earliest.length = 0;
    this.#isFirst = false;
  }
}
