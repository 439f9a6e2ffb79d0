import { Histogram } from "../../lib/histogram.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import { type KeptExpectation, KeptShares } from "../judge/kept-shares.ts";
import { Tally } from "../judge/tally.ts";
import { causeOf } from "../judge/unknown-cause.ts";
import type { Verdict } from "../judge/verdict.ts";
import type { RunLedger } from "./run-ledger.ts";

/** Number of traces that are re-read to detect a backend that lost its traces. */
const EARLIEST = 16;

/** The final verdicts on the requests of a run, and the export latency of their traces. */
export class FinalVerdicts {
  /**
   * Microseconds from the end of a request until its trace was seen complete, for requests that ended during
   * the run of verify.
   */
  readonly latency = new Histogram();
  readonly #ledger: RunLedger;
  readonly #ids: RunIds;
  readonly #maxExamples: number | undefined;
  readonly #keptExpectations: readonly KeptExpectation[];
  readonly #startedAt = Date.now();
  /** The first requests whose traces were seen complete. */
  readonly earliest: LedgerRecord[] = [];
  /** Sequence numbers of requests whose traces are not complete. */
  readonly #faulty = new Set<number>();
  /** Of requests whose spans were recorded, what is there. */
  keptShares: KeptShares;
  #tally: Tally;
  /**
   * Whether traces are seen for the first time. After `startOver` they are not, and their latency is
   * unknown.
   */
  #isFirst = true;

  constructor(
    ledger: RunLedger,
    ids: RunIds,
    maxExamples?: number,
    keptExpectations: readonly KeptExpectation[] = [],
  ) {
    this.#ledger = ledger;
    this.#maxExamples = maxExamples;
    this.#tally = new Tally(maxExamples);
    this.#ids = ids;
    this.#keptExpectations = keptExpectations;
    this.keptShares = new KeptShares(keptExpectations);
  }

  get tally(): Tally {
    return this.#tally;
  }

  /** @param seenAt when the spans were seen, in milliseconds since 1970; absent if none were read */
  add(record: LedgerRecord, verdict: Verdict, seenAt?: number): void {
    const endedAt = this.#ledger.endOf(record);
    this.#tally.add(this.#ids.traceId(record.sequence), endedAt, verdict, causeOf(record, verdict));
    if (record.isSampled && (verdict.expected ?? 0) > 0)
      this.keptShares.add(record, verdict.class !== "sampled-out" && verdict.class !== "not-found");
    if (verdict.class !== "complete") {
      this.#faulty.add(record.sequence);
      return;
    }
    if (this.earliest.length < EARLIEST) this.earliest.push(record);
    if (seenAt !== undefined && this.#isFirst && endedAt >= this.#startedAt)
      this.latency.record(Math.max(0, seenAt - endedAt) * 1000);
  }

  /** Adds copies of a request's spans that the backend did not keep. */
  addSwallowed(sequence: number, copies: number): void {
    this.#tally.addSwallowed(copies, !this.#faulty.has(sequence));
  }

  /** Discards all verdicts. */
  startOver(): void {
    this.#tally = new Tally(this.#maxExamples);
    this.keptShares = new KeptShares(this.#keptExpectations);
    this.#faulty.clear();
    this.earliest.length = 0;
    this.#isFirst = false;
  }
}
