import type { LedgerRecord } from "../../trace/ledger-record.ts";
import { type CallGraph, GraphLearner } from "./call-graph.ts";
import { findForeignServices } from "./foreign.ts";
import { judgeTrace, type Knowledge } from "./judge.ts";
import type { SeenSpan } from "./seen-span.ts";
import { originOf, sortSpans } from "./sorted-spans.ts";
import type { Verdict } from "./verdict.ts";

/** More traces say nothing new. */
const ENOUGH_TRACES = 2000;

/** Judges the traces of a run by what is known of its graph: all, where a topology says it, otherwise what earlier traces have taught. */
export class Learning {
  readonly #given: Pick<Knowledge, "graph" | "services"> | null;
  readonly #learner = new GraphLearner();
  /** Services that are no links wherever they were seen. */
  readonly #foreign = new Set<string>();
  /** Services that are links, as the ledger of some trace proves. */
  readonly #links = new Set<string>();
  /** Origins of spans that look foreign, and are proved to be links'. */
  readonly #stripped = new Set<string>();
  #isMarked = false;
  #traces = 0;
  /** What is known by now; made when it is asked for. */
  #known: Knowledge | null = null;

  /** `graph`: `null` where nobody gave one. */
  constructor(graph: CallGraph | null) {
    this.#given = graph === null ? null : { graph, services: new Set(graph.services.keys()) };
  }

  get knowledge(): Knowledge {
    this.#known ??= {
      ...(this.#given ?? { graph: this.#learner.graph(), services: null }),
      foreign: this.#foreign,
      stripped: this.#stripped,
      isMarked: this.#isMarked,
    };
    return this.#known;
  }

  /** How many more whole traces it would learn from. */
  get wanted(): number {
    return this.#given === null ? Math.max(0, ENOUGH_TRACES - this.#traces) : 0;
  }

  /** @param told What the links say of the trace, where they were asked */
  judge(
    record: LedgerRecord,
    spans: readonly SeenSpan[],
    told: Pick<Knowledge, "reached" | "recorded" | "brokenEdges"> = {},
  ): Verdict {
    const knowledge = { ...this.knowledge, ...told };
    const verdict = judgeTrace(record, spans, knowledge);
    this.#learnOrigins(record, spans, verdict);
    if (this.#given !== null) return verdict;
    if (verdict.class === "complete") {
      if (this.wanted > 0 || this.#foreign.size > 0) this.#learn(record, spans, this.#foreign);
      return verdict;
    }
    const { ledger } = record;
    if (ledger === null || ledger.unknown > 0) return verdict;
    const found = findForeignServices(spans, ledger);
    if (found === null) return verdict;
    for (const name of found) if (!this.#links.has(name)) this.#foreign.add(name);
    // A link may stand in a gateway's place in one trace, and be called by links in others.
    const foreign = new Set(found);
    const proved = judgeTrace(record, spans, { ...knowledge, foreign });
    if (proved.class === "complete") this.#learn(record, spans, foreign);
    return proved;
  }

  /** By which tags spans of links are told. */
  #learnOrigins({ ledger }: LedgerRecord, spans: readonly SeenSpan[], verdict: Verdict): void {
    if (!this.#isMarked && spans.some(({ recorder }) => recorder === undefined)) {
      this.#isMarked = true;
      this.#known = null;
    }
    if (verdict.class !== "complete" || spans.every(({ recorder }) => recorder === undefined)) return;
    for (const span of sortSpans(spans, this.knowledge, ledger).ours)
      if (span.recorder !== undefined) this.#stripped.add(originOf(span));
  }

  #learn({ ledger }: LedgerRecord, spans: readonly SeenSpan[], foreign: ReadonlySet<string>): void {
    const { ours } = sortSpans(spans, { services: null, foreign }, ledger);
    for (const { serviceName } of ours) {
      this.#links.add(serviceName);
      this.#foreign.delete(serviceName);
    }
    if (this.wanted === 0) return;
    this.#learner.add(ours);
    this.#traces++;
    this.#known = null;
  }
}
