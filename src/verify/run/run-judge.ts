import type { LedgerRecord } from "../../trace/ledger-record.ts";
import type { RunIds } from "../../trace/run.ts";
import type { Inquiry } from "../backend/inquiry.ts";
import type { CallGraph } from "../judge/call-graph.ts";
import { judgeTrace, NOT_SAMPLED, UNREACHED, unreachedBy } from "../judge/judge.ts";
import type { Learning } from "../judge/learning.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { isFinal, onTheWay, sampledOut, type Verdict } from "../judge/verdict.ts";
import type { Elsewhere } from "./elsewhere.ts";
import type { FinalVerdicts } from "./final-verdicts.ts";
import { type FullLedger, FullLedgers, type NoLedger, type OpenRequest } from "./full-ledgers.ts";
import { findHiddenVisits } from "./hidden-visits.ts";
import type { RunLedger } from "./run-ledger.ts";
import type { SeenTrace } from "./single-reading.ts";

interface RunJudgeOptions {
  readonly ledger: RunLedger;
  readonly ids: RunIds;
  readonly settled: FinalVerdicts;
  readonly learning: Learning;
  /** `null` to learn it from traces that are proved complete. */
  readonly graph: CallGraph | null;
  /** `null` if links cannot be asked. */
  readonly inquiry: Inquiry | null;
  /** Returns the spans that all links recorded since the run began; `null` if unknown. */
  readonly countRecorded: () => Promise<number | null>;
  /** Whether traces without any span count as sampled out. */
  readonly isSamplingAllowed: boolean;
}

const NO_LEDGERS: ReadonlyMap<number, FullLedger | NoLedger> = new Map();

/** Judges the traces of a run by their ledgers, and asks the links about those whose answers do not tell everything. */
export class RunJudge {
  readonly #options: RunJudgeOptions;
  readonly #fullLedgers: FullLedgers | null;
  /** Requests that were judged by what links remember of them. */
  readonly #asked = new Set<number>();
  /** Requests whose answers and spans do not show all visits. */
  readonly #hidden = new Set<number>();
  #hasLookedForHidden = false;

  constructor(options: RunJudgeOptions) {
    const { inquiry, ids, ledger } = options;
    this.#options = options;
    this.#fullLedgers = inquiry === null ? null : new FullLedgers(inquiry, ids, ledger.header.startMs);
  }

  /** Settles a request that needs no spans. Returns false if its trace has to be read. */
  settleUnread(record: LedgerRecord): boolean {
    const { settled, learning } = this.#options;
    const { ledger, isSampled, isBroken } = record;
    const canAsk = this.#fullLedgers !== null && isSampled && !isBroken;
    if (isBroken || (ledger === null && !canAsk)) {
      settled.add(record, judgeTrace(record, [], learning.knowledge));
    } else if (!isSampled && ledger?.count === 0) settled.add(record, NOT_SAMPLED);
    else return false;
    return true;
  }

  /** Whether the ledger of an answer is the whole truth, so that an equal ledger of the backend proves the trace. */
  canProveByLedger(index: number): boolean {
    return !this.#hidden.has(index);
  }

  /**
   * Finds the ledgers of requests whose answers brought no complete ledger, or one that does not match the spans.
   * @param isLast Whether this is the last look
   */
  async findFullLedgers(
    requests: readonly OpenRequest[],
    isLast: boolean,
  ): Promise<ReadonlyMap<number, FullLedger | NoLedger>> {
    if (this.#fullLedgers === null) return NO_LEDGERS;
    for (const request of requests) this.#fullLedgers.learn(request);
    const open = requests.filter((request) => this.#isOpen(request, isLast));
    if (open.length === 0) return NO_LEDGERS;
    const { graph } = this.#options;
    const callers = {
      entry: graph?.entry ?? null,
      services: graph === null ? null : [...graph.services.keys()],
    };
    const found = await this.#fullLedgers.find(open, callers, isLast);
    for (const [index, full] of found) if (typeof full === "object") this.#asked.add(index);
    return found;
  }

  #isOpen({ index, record: { ledger, isSampled }, spans, isLate }: OpenRequest, isLast: boolean): boolean {
    if (!isSampled) return false;
    if (ledger === null || ledger.unknown > 0 || this.#hidden.has(index)) return true;
    const count = countOfLinks(spans);
    // Late spans may be missing, or may never have been part of the trace.
    return count > ledger.count || (count < ledger.count && (isLate || isLast));
  }

  judge({ record, spans, reached, recorded, elsewhere, isUnreached }: SeenTrace): Verdict {
    const brokenEdges = elsewhere === null || this.#isFromCache(elsewhere) ? [] : elsewhere.edges;
    if (isUnreached) return brokenEdges.length === 0 ? UNREACHED : unreachedBy(brokenEdges);
    const told = { brokenEdges, recorded };
    return this.#options.learning.judge(record, spans, reached === null ? told : { ...told, reached });
  }

  /** Settles a trace for good. */
  settle(index: number, trace: SeenTrace, verdict: Verdict, seenAt: number): void {
    this.#options.settled.add(trace.record, verdict, seenAt);
    this.#addFailedCalls(trace);
    this.#fullLedgers?.forget(index);
  }

  /** Settles a trace that nobody waits for any longer. With `isCutShort`, missing spans may still arrive. */
  settleLast(trace: SeenTrace, isCutShort: boolean): void {
    const { settled } = this.#options;
    const verdict = this.judge(trace);
    if (isCutShort && !isFinal(verdict)) {
      settled.add(trace.record, onTheWay(verdict));
      return;
    }
    settled.add(trace.record, this.#allowSampling(verdict, trace.spans));
    this.#addFailedCalls(trace);
  }

  /** Settles a request without a ledger that links have forgotten. */
  settleForgotten(record: LedgerRecord, spans: readonly SeenSpan[]): void {
    const { settled, learning } = this.#options;
    settled.add(record, learning.judge(record, spans));
  }

  /**
   * Whether links were visited more often than answers and spans show. Such requests have to be judged again, by what
   * the links remember of them. Looks only once.
   */
  async findHiddenVisits(): Promise<boolean> {
    const { ledger, ids, settled, inquiry, countRecorded } = this.#options;
    if (inquiry === null || this.#hasLookedForHidden) return false;
    this.#hasLookedForHidden = true;
    const recorded = await countRecorded();
    if (recorded !== null && recorded <= settled.tally.expected) return false;
    for (const index of await findHiddenVisits(ledger, ids, inquiry))
      if (!this.#asked.has(index)) this.#hidden.add(index);
    return this.#hidden.size > 0;
  }

  /** A single span, whoever recorded it, would show that the sampler kept the trace. */
  #allowSampling(verdict: Verdict, spans: readonly SeenSpan[]): Verdict {
    const isAbsent = verdict.class === "not-found" && spans.length === 0;
    return isAbsent && this.#options.isSamplingAllowed ? sampledOut(verdict) : verdict;
  }

  #isFromCache(elsewhere: Elsewhere): boolean {
    return this.#fullLedgers?.isFromCache(elsewhere) ?? false;
  }

  #addFailedCalls({ spans, reached, elsewhere }: SeenTrace): void {
    if (reached === null) return;
    const cached = elsewhere !== null && this.#isFromCache(elsewhere) ? elsewhere.calls : undefined;
    this.#options.settled.tally.failedCalls.add(spans, reached, cached);
  }
}

/** Returns the trace of a request, completed by what links remember of it. */
export function traceOf({ record, spans }: OpenRequest, full: FullLedger | NoLedger | undefined): SeenTrace {
  if (typeof full === "object") return { ...full, spans };
  return { record, spans, reached: null, recorded: null, elsewhere: null, isUnreached: false };
}

/** Number of spans that look like those of links. */
function countOfLinks(spans: readonly SeenSpan[]): number {
  return spans.reduce((count, { recorder }) => count + Number(recorder === undefined), 0);
}
