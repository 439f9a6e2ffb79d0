import { TRACE_CLASSES, type TraceClass } from "../../contract/trace-class.ts";
import type { LinkLoss } from "../../contract/verify-result.ts";
import { FailedCalls } from "./failed-call.ts";
import type { SeenSpan } from "./seen-span.ts";
import { type AlteredSpan, edgeText, type Verdict, verdictOf } from "./verdict.ts";

/** One bad trace. */
export interface Example {
  readonly traceId: string;
  readonly verdict: Verdict;
  /** Why the trace is `unknown`; `null` for other classes. */
  readonly cause: string | null;
}

/** Number of bad traces listed by default. */
export const DEFAULT_EXAMPLES = 10;

/** Counts the traces of a run by class, and the missing spans by link and edge. */
export class Tally {
  readonly classes = Object.fromEntries(TRACE_CLASSES.map((name) => [name, 0])) as Record<TraceClass, number>;
  /** Spans counted by the ledgers. */
  expected = 0;
  missing = 0;
  /** Spans of traces that count as sampled out as a whole. */
  sampledOut = 0;
  /** Missing spans that cannot be attributed to a link. */
  unattributed = 0;
  foreign = 0;
  altered = 0;
  copies = 0;
  unexpected = 0;
  /** Traces of the run that belong to no request. */
  strays = 0;
  /** End of the last request, in milliseconds since 1970. */
  lastEndMs = 0;
  readonly links = new Map<string, LinkLoss>();
  /** Missing spans by edge: `from > to`. */
  readonly edges = new Map<string, number>();
  /** Traces with broken context, by edge. */
  readonly brokenEdges = new Map<string, number>();
  /** Traces in which a link ignored the sampling decision, by link. */
  readonly samplingIgnoredBy = new Map<string, number>();
  /** Calls that got no answer from their callee, in traces that are proved nevertheless. */
  readonly failedCalls = new FailedCalls();
  /** `unknown` traces by cause. */
  readonly unknownCauses = new Map<string, number>();
  /** Candidates by class: the worst so far, and some added since. */
  readonly #examples = new Map<TraceClass, Example[]>();
  readonly #maxExamples: number;
  /** By second of the run: requests that ended, and their missing spans. */
  readonly seconds = new Map<number, { requests: number; missing: number }>();

  constructor(maxExamples = DEFAULT_EXAMPLES) {
    this.#maxExamples = maxExamples;
  }

  /** Number of judged traces. Unrecorded traces are not included, because they belong to no request. */
  get requests(): number {
    return this.traces - this.strays;
  }

  get traces(): number {
    return Object.values(this.classes).reduce((sum, count) => sum + count, 0);
  }

  /** Returns the worst traces, worst first, with at least one of each class. */
  get examples(): Example[] {
    for (const kept of this.#examples.values()) keepWorst(kept, this.#maxExamples);
    const firsts = [...this.#examples.values()].flatMap(([first]) => first ?? []);
    const others = [...this.#examples.values()].flatMap(([, ...rest]) => rest);
    keepWorst(others, Math.max(0, this.#maxExamples - firsts.length));
    return [...firsts, ...others].sort(byRank);
  }

  /** Returns an independent copy. */
  copy(): Tally {
    const copy = new Tally(this.#maxExamples);
    Object.assign(copy.classes, this.classes);
    for (const field of [
      "expected",
      "missing",
      "sampledOut",
      "unattributed",
      "foreign",
      "altered",
      "copies",
      "unexpected",
      "strays",
      "lastEndMs",
    ] as const)
      copy[field] = this[field];
    for (const [name, loss] of this.links) copy.links.set(name, { ...loss });
    for (const field of ["edges", "brokenEdges", "samplingIgnoredBy", "unknownCauses"] as const)
      for (const [key, value] of this[field]) copy[field].set(key, value);
    for (const [name, examples] of this.#examples) copy.#examples.set(name, [...examples]);
    copy.failedCalls.addAll(this.failedCalls);
    for (const [second, counts] of this.seconds) copy.seconds.set(second, { ...counts });
    return copy;
  }

  /** @param cause why the trace is `unknown` */
  add(traceId: string, endMs: number, verdict: Verdict, cause: string | null = null): void {
    const lost = verdict.missing.length + verdict.unattributed;
    this.classes[verdict.class]++;
    this.lastEndMs = Math.max(this.lastEndMs, endMs);
    this.expected += verdict.expected ?? 0;
    this.missing += lost;
    if (verdict.class === "sampled-out") this.sampledOut += verdict.expected ?? 0;
    this.unattributed += verdict.unattributed;
    this.foreign += verdict.foreign;
    this.altered += verdict.altered.length;
    this.copies += verdict.copies.length;
    this.unexpected += verdict.unexpected.length;
    const second = this.seconds.get(Math.floor(endMs / 1000)) ?? { requests: 0, missing: 0 };
    this.seconds.set(Math.floor(endMs / 1000), second);
    second.requests++;
    second.missing += lost;
    for (const { link, kind, edge } of verdict.missing) {
      if (link === null) this.unattributed++;
      else this.#link(link)[kind === "SERVER" ? "server" : "client"]++;
      if (edge !== null) count(this.edges, edgeText(edge));
    }
    for (const { span, field, was } of verdict.altered) this.#link(trueName({ span, field, was })).altered++;
    for (const { serviceName } of verdict.copies) this.#link(serviceName).copies++;
    for (const edge of verdict.brokenEdges) count(this.brokenEdges, edgeText(edge));
    for (const name of verdict.samplingIgnoredBy) count(this.samplingIgnoredBy, name);
    if (cause !== null) count(this.unknownCauses, cause);
    const isGood = ["complete", "not-sampled", "unreached", "sampled-out"].includes(verdict.class);
    if (!isGood) this.#keepExample({ traceId, verdict, cause });
  }

  /** Adds a trace that no record of the ledger covers. */
  addStray(traceId: string, spans: readonly SeenSpan[]): void {
    const verdict = verdictOf({ seen: spans.length, unexpected: spans }, "unknown");
    this.strays++;
    this.classes[verdict.class]++;
    this.unexpected += spans.length;
    this.#keepExample({ traceId, verdict, cause: null });
  }

  /** Adds copies of a trace's spans that the backend did not keep. */
  addSwallowed(copies: number, wasComplete: boolean): void {
    this.copies += copies;
    if (copies === 0 || !wasComplete) return;
    this.classes.complete--;
    this.classes.duplicated++;
  }

  #link(name: string): LinkLoss {
    let link = this.links.get(name);
    if (link === undefined) {
      link = { server: 0, client: 0, altered: 0, copies: 0 };
      this.links.set(name, link);
    }
    return link;
  }

  #keepExample(example: Example): void {
    const { class: name } = example.verdict;
    const kept = this.#examples.get(name) ?? [];
    this.#examples.set(name, kept);
    kept.push(example);
    // Sort occasionally, not after every addition.
    if (kept.length >= 2 * this.#maxExamples) keepWorst(kept, this.#maxExamples);
  }
}

/** Sorts the worst to the front and drops the rest. */
function keepWorst(examples: Example[], count: number): void {
  examples.sort(byRank).splice(count);
}

function byRank(a: Example, b: Example): number {
  return rankOf(a.verdict) - rankOf(b.verdict);
}

/** Lower is worse: by class, then by number of missing spans. */
function rankOf({ class: name, missing, unattributed }: Verdict): number {
  return TRACE_CLASSES.indexOf(name) * 1e6 - missing.length - unattributed;
}

/** Returns the link that recorded an altered span. */
function trueName({ span, field, was }: Omit<AlteredSpan, "is">): string {
  return field === "service" ? (was ?? "") : span.serviceName;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
