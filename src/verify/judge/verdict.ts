import type { TraceClass } from "../../contract/trace-class.ts";
import type { SeenSpan } from "./seen-span.ts";

/** A call from one service to another. `from` is `null` if it is unknown or the load generator. */
export interface Edge {
  readonly from: string | null;
  readonly to: string;
}

export function edgeText({ from, to }: Edge): string {
  return `${from ?? "?"} > ${to}`;
}

export interface MissingSpan {
  /** The link that recorded the span; `null` if it cannot be attributed to one. */
  readonly link: string | null;
  readonly kind: "CLIENT" | "SERVER";
  readonly edge: Edge | null;
  /** `null` if no span that arrived names it. */
  readonly id: string | null;
  /** `null` for a root; `undefined` if unknown. */
  readonly parentId: string | null | undefined;
}

export interface AlteredSpan {
  readonly span: SeenSpan;
  readonly field: "parent" | "kind" | "service";
  /** The recorded value; `null` for no parent or no kind. */
  readonly was: string | null;
  readonly is: string | null;
}

/**
 * How certain the findings are: `proved` by the ledger's digest, `deduced` as the only possibility under the
 * topology and the ledger's count, or only `counted`.
 */
type Certainty = "proved" | "deduced" | "counted";

export interface Verdict {
  readonly class: TraceClass;
  readonly certainty: Certainty;
  /** Spans counted by the ledger; `null` without a ledger. */
  readonly expected: number | null;
  /** Spans of our links that arrived, without copies. */
  readonly seen: number;
  readonly missing: readonly MissingSpan[];
  /** Missing spans that cannot be identified. */
  readonly unattributed: number;
  readonly altered: readonly AlteredSpan[];
  /**
   * As many spans arrived as were recorded, but not the same ones, and the differing ones cannot be
   * identified.
   */
  readonly isAltered: boolean;
  /** Extra copies of spans that arrived. */
  readonly copies: readonly SeenSpan[];
  /** Spans of our links that no ledger covers. */
  readonly unexpected: readonly SeenSpan[];
  /** Calls whose callee started a trace of its own. */
  readonly brokenEdges: readonly Edge[];
  /** Spans whose parent is foreign and missing. */
  readonly orphans: readonly SeenSpan[];
  /** Links that ignored the sampling decision, in either direction. */
  readonly samplingIgnoredBy: readonly string[];
  /** The trace was judged before its spans were due. */
  readonly isOnTheWay: boolean;
  /** Spans of services that are not ours. */
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

/** Adds the class that follows from the findings; `otherwise` if there are none. */
export function verdictOf(
  findings: Partial<Omit<Verdict, "class">>,
  otherwise: Extract<TraceClass, "complete" | "unknown" | "not-sampled" | "unreached" | "sampled-out">,
): Verdict {
  const verdict = { ...NOTHING, ...findings };
  const found = classOf(verdict);
  if (found !== null) return { ...verdict, class: found };
  // A copy says nothing about spans that are unknown.
  const isDuplicated = verdict.copies.length > 0 && otherwise !== "unknown";
  return { ...verdict, class: isDuplicated ? "duplicated" : otherwise };
}

/** Replaces a verdict given before the spans were due: missing spans may still arrive. */
export function onTheWay({ expected, seen }: Verdict): Verdict {
  return verdictOf({ expected, seen, certainty: "counted", isOnTheWay: true }, "unknown");
}

/** Instead of a verdict on a trace of which nothing is there, where the pipeline is allowed to sample. */
export function sampledOut({ expected, seen }: Verdict): Verdict {
  return verdictOf({ expected, seen, certainty: "counted" }, "sampled-out");
}

/** Whether waiting can no longer change the verdict. */
export function isFinal(verdict: Verdict): boolean {
  // The parent of an orphan may still arrive, and so may spans of a callee that no ledger covers.
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
