import { FailedCalls } from "./failed-call.ts";
import type { SeenSpan } from "./seen-span.ts";
import {
  type AlteredSpan,
  edgeText,
  TRACE_CLASSES,
  type TraceClass,
  type Verdict,
  verdictOf,
} from "./verdict.ts";

/** One trace that is not as it should be. */
export interface Example {
  readonly traceId: string;
  readonly verdict: Verdict;
  /** Why it is `unknown`; `null` for other classes. */
  readonly cause: string | null;
}

export interface LinkLoss {
  server: number;
  client: number;
  altered: number;
  copies: number;
}

/** Bad traces that are listed. */
export const DEFAULT_EXAMPLES = 10;

/** The classes of all traces of a run added up, and what is missing by link and by edge. */
export class Tally {
  readonly classes = Object.fromEntries(TRACE_CLASSES.map((name) => [name, 0])) as Record<TraceClass, number>;
  /** Spans that ledgers know. */
  expected = 0;
  missing = 0;
  /** Of the missing ones, those of which one cannot tell which link's they are. */
  unattributed = 0;
  foreign = 0;
  altered = 0;
  copies = 0;
  unexpected = 0;
  /** Traces of the run that no request of it made. */
  strays = 0;
  /** When the last request ended, in milliseconds since 1970. */
  lastEndMs = 0;
  readonly links = new Map<string, LinkLoss>();
  /** Missing spans by edge: `from > to`. */
  readonly edges = new Map<string, number>();
  /** Traces with a context that broke there, by edge. */
  readonly brokenEdges = new Map<string, number>();
  /** Traces in which a link decided otherwise than it was told, by link. */
  readonly samplingIgnoredBy = new Map<string, number>();
  /** Calls that got no answer of their callee, in traces that are proved all the same. */
  readonly failedCalls = new FailedCalls();
  /** `unknown` traces by why. */
  readonly unknownCauses = new Map<string, number>();
  /** By class; of each the worst, and some that came since. */
  readonly #examples = new Map<TraceClass, Example[]>();
  readonly #maxExamples: number;
  /** By whole second of the run: requests that ended, and spans of theirs that are missing. */
  readonly seconds = new Map<number, { requests: number; missing: number }>();

  constructor(maxExamples = DEFAULT_EXAMPLES) {
    this.#maxExamples = maxExamples;
  }

  /** Traces that were judged; strays belong to no request. */
  get requests(): number {
    return this.traces - this.strays;
  }

  get traces(): number {
    return Object.values(this.classes).reduce((sum, count) => sum + count, 0);
  }

  /** The worst ones, the worst first; of each class at least one. */
  get examples(): Example[] {
    for (const kept of this.#examples.values()) keepWorst(kept, this.#maxExamples);
    const firsts = [...this.#examples.values()].flatMap(([first]) => first ?? []);
    const others = [...this.#examples.values()].flatMap(([, ...rest]) => rest);
    keepWorst(others, Math.max(0, this.#maxExamples - firsts.length));
    return [...firsts, ...others].sort(byRank);
  }

  /** One of its own with the same counts: what is added to it does not change this one. */
  copy(): Tally {
    const copy = new Tally(this.#maxExamples);
    Object.assign(copy.classes, this.classes);
    for (const field of [
      "expected",
      "missing",
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

  /** `cause`: why it is `unknown`. */
  add(traceId: string, endMs: number, verdict: Verdict, cause: string | null = null): void {
    const lost = verdict.missing.length + verdict.unattributed;
    this.classes[verdict.class]++;
    this.lastEndMs = Math.max(this.lastEndMs, endMs);
    this.expected += verdict.expected ?? 0;
    this.missing += lost;
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
    const isGood = ["complete", "not-sampled", "unreached"].includes(verdict.class);
    if (!isGood) this.#keepExample({ traceId, verdict, cause });
  }

  /** A trace of the run that its account does not know. */
  addStray(traceId: string, spans: readonly SeenSpan[]): void {
    const verdict = verdictOf({ seen: spans.length, unexpected: spans }, "unknown");
    this.strays++;
    this.classes[verdict.class]++;
    this.unexpected += spans.length;
    this.#keepExample({ traceId, verdict, cause: null });
  }

  /** Copies of a trace's spans that the backend has not kept. */
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
    // Sorted now and then, not for each.
    if (kept.length >= 2 * this.#maxExamples) keepWorst(kept, this.#maxExamples);
  }
}

/** Sorts the worst to the front, and cuts the rest off. */
function keepWorst(examples: Example[], count: number): void {
  examples.sort(byRank).splice(count);
}

function byRank(a: Example, b: Example): number {
  return rankOf(a.verdict) - rankOf(b.verdict);
}

/** Lower is worse: by class, then by what is missing. */
function rankOf({ class: name, missing, unattributed }: Verdict): number {
  return TRACE_CLASSES.indexOf(name) * 1e6 - missing.length - unattributed;
}

/** The link that recorded an altered span. */
function trueName({ span, field, was }: Omit<AlteredSpan, "is">): string {
  return field === "service" ? (was ?? "") : span.serviceName;
}

function count(counts: Map<string, number>, key: string): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
