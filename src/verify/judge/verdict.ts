import type { SeenSpan } from "./seen-span.ts";

/** What became of the trace of one request; each trace is in exactly one class, the first that fits in this order. */
export const TRACE_CLASSES = [
  "not-found",
  "partial",
  "wrong-parent",
  "wrong-service",
  "altered",
  "unexpected",
  "broken-context",
  "orphaned",
  "unknown",
  "unreached",
  "duplicated",
  "not-sampled",
  "complete",
] as const;

export type TraceClass = (typeof TRACE_CLASSES)[number];

/** Nothing is wrong, or unknown, with a trace of the class. */
export function isFine(name: TraceClass): boolean {
  return name === "complete" || name === "not-sampled" || name === "duplicated" || name === "unreached";
}

/** A call from one service to another; `from` is `null` where it is not known or is the load generator. */
export interface Edge {
  readonly from: string | null;
  readonly to: string;
}

export function edgeText({ from, to }: Edge): string {
  return `${from ?? "?"} > ${to}`;
}

export interface MissingSpan {
  /** The link that recorded it; `null` where one cannot tell which. */
  readonly link: string | null;
  readonly kind: "CLIENT" | "SERVER";
  readonly edge: Edge | null;
  /** `null` where nothing that arrived names it. */
  readonly id: string | null;
  /** `null` for a root; `undefined` where it is not known. */
  readonly parentId: string | null | undefined;
}

export interface AlteredSpan {
  readonly span: SeenSpan;
  readonly field: "parent" | "kind" | "service";
  /** What the link recorded; `null` for no parent or no kind. */
  readonly was: string | null;
  readonly is: string | null;
}

/**
 * How sure the findings are: `proved` by the ledger's digest, `deduced` as the only ones that the topology and the
 * ledger's count allow, or only `counted`.
 */
export type Certainty = "proved" | "deduced" | "counted";

export interface Verdict {
  readonly class: TraceClass;
  readonly certainty: Certainty;
  /** Spans that the ledger knows; `null` where there is no ledger. */
  readonly expected: number | null;
  /** Spans of our links that are there, each once. */
  readonly seen: number;
  readonly missing: readonly MissingSpan[];
  /** Missing spans of which one cannot tell which they are. */
  readonly unattributed: number;
  readonly altered: readonly AlteredSpan[];
  /** There are as many spans as were recorded, and not the same ones; nobody can say which of them differ. */
  readonly isAltered: boolean;
  /** Further copies of spans that are there. */
  readonly copies: readonly SeenSpan[];
  /** Spans of our links that no ledger knows. */
  readonly unexpected: readonly SeenSpan[];
  /** Calls whose callee began a trace of its own. */
  readonly brokenEdges: readonly Edge[];
  /** Spans whose parent, which is not ours, is not there. */
  readonly orphans: readonly SeenSpan[];
  /** Links that recorded nothing although they were asked to, or recorded although they were asked not to. */
  readonly samplingIgnoredBy: readonly string[];
  /** It was judged before all of its spans had to be there. */
  readonly isOnTheWay: boolean;
  /** Spans in the trace of services that are not ours. */
  readonly foreign: number;
}

const NOTHING: Verdict = {
  class: "complete",
  certainty: "proved",
  expected: null,
  seen: 0,
  missing: [],
  unattributed: 0,
  altered: [],
  isAltered: false,
  copies: [],
  unexpected: [],
  brokenEdges: [],
  orphans: [],
  samplingIgnoredBy: [],
  isOnTheWay: false,
  foreign: 0,
};

/** A verdict with its class, which follows from the findings; `otherwise` where there are none. */
export function verdictOf(
  findings: Partial<Omit<Verdict, "class">>,
  otherwise: Extract<TraceClass, "complete" | "unknown" | "not-sampled" | "unreached">,
): Verdict {
  const verdict = { ...NOTHING, ...findings };
  const found = classOf(verdict);
  if (found !== null) return { ...verdict, class: found };
  // A copy proves nothing of what is not known.
  const isDuplicated = verdict.copies.length > 0 && otherwise !== "unknown";
  return { ...verdict, class: isDuplicated ? "duplicated" : otherwise };
}

/** Instead of one that was given before all had to be there: what is missing, or seems odd without it, may come yet. */
export function onTheWay({ expected, seen }: Verdict): Verdict {
  return verdictOf({ expected, seen, certainty: "counted", isOnTheWay: true }, "unknown");
}

/** Waiting changes nothing any more. */
export function isFinal(verdict: Verdict): boolean {
  // The parent of an orphan may still come, and so may the spans of a callee that nobody has an account of.
  if (verdict.certainty !== "proved" || verdict.class === "orphaned" || verdict.class === "broken-context")
    return false;
  return verdict.missing.length + verdict.unattributed === 0;
}

function classOf(found: Verdict): TraceClass | null {
  if (found.missing.length + found.unattributed > 0) return found.seen === 0 ? "not-found" : "partial";
  if (found.altered.some(({ field }) => field === "parent")) return "wrong-parent";
  if (found.altered.length > 0) return "wrong-service";
  if (found.isAltered) return "altered";
  if (found.unexpected.length > 0) return "unexpected";
  if (found.brokenEdges.length > 0) return "broken-context";
  if (found.orphans.length > 0) return "orphaned";
  return null;
}
