import type { RunRecord } from "../trace/run-ledger.ts";
import { type CallGraph, GraphLearner } from "./call-graph.ts";
import { findForeignServices } from "./foreign.ts";
import { judgeTrace, type Knowledge } from "./judge.ts";
import type { SeenSpan } from "./seen-span.ts";
import type { Verdict } from "./verdict.ts";

/** More traces say nothing new. */
const ENOUGH_TRACES = 2000;

/** Judges the traces of a run by what is known of its graph: all, where a topology says it, otherwise what earlier traces have taught. */
export class Learning {
  readonly #given: Knowledge | null;
  readonly #learner = new GraphLearner();
  /** Services that are no links wherever they were seen. */
  readonly #foreign = new Set<string>();
  /** Those that are links, as the account of some trace proves. */
  readonly #links = new Set<string>();
  #traces = 0;
  /** What is known by now; made when it is asked for. */
  #known: Knowledge | null = null;

  /** `graph`: `null` where nobody gave one. */
  constructor(graph: CallGraph | null) {
    this.#given =
      graph === null ? null : { graph, services: new Set(graph.services.keys()), foreign: this.#foreign };
  }

  get knowledge(): Knowledge {
    if (this.#given !== null) return this.#given;
    this.#known ??= { graph: this.#learner.graph(), services: null, foreign: this.#foreign };
    return this.#known;
  }

  /** How many more whole traces it would learn from. */
  get wanted(): number {
    return this.#given === null ? Math.max(0, ENOUGH_TRACES - this.#traces) : 0;
  }

  /** @param reached Spans below which some link was visited, where that is known */
  judge(record: RunRecord, spans: readonly SeenSpan[], reached: ReadonlySet<string> | null = null): Verdict {
    const knowledge = reached === null ? this.knowledge : { ...this.knowledge, reached };
    const verdict = judgeTrace(record, spans, knowledge);
    if (this.#given !== null) return verdict;
    if (verdict.class === "complete") {
      if (this.wanted > 0 || this.#foreign.size > 0) this.#learn(spans, this.#foreign);
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
    if (proved.class === "complete") this.#learn(spans, foreign);
    return proved;
  }

  #learn(spans: readonly SeenSpan[], foreign: ReadonlySet<string>): void {
    const ours = spans.filter(({ serviceName }) => !foreign.has(serviceName));
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
