import { EMPTY_LEDGER, type Ledger } from "../../trace/ledger.ts";
import type { LedgerRecord } from "../../trace/ledger-record.ts";
import { findAlterations } from "./alterations.ts";
import type { CallGraph } from "./call-graph.ts";
import { type Completion, completeTrace, IMPOSSIBLE } from "./completion.ts";
import { isSameLedger, ledgerOf, xor } from "./digest.ts";
import { nameByLinks, type RecordedSpans } from "./recorded-spans.ts";
import type { SeenSpan } from "./seen-span.ts";
import { type Ownership, sortSpans } from "./sorted-spans.ts";
import { TraceView } from "./trace-view.ts";
import { findUnaccountedSpans } from "./unaccounted-spans.ts";
import { type Edge, type MissingSpan, type Verdict, verdictOf } from "./verdict.ts";

/** What is known besides the trace. */
export interface Knowledge extends Ownership {
  /** `null` where nobody gave one and none could be learned yet. */
  readonly graph: CallGraph | null;
  /** Alterations that may be tried on one trace, 1.6 times the square of its spans. @default 200,000: some 0.3 s */
  readonly maxRepairs?: number;
  /** Spans below which some link was visited. @default not known */
  readonly reached?: ReadonlySet<string>;
  /** What each link says it recorded for the trace. @default not known */
  readonly recorded?: ReadonlyMap<string, RecordedSpans> | null;
  /** Edges on which links say that the context broke. @default none */
  readonly brokenEdges?: readonly Edge[];
}

/** The record's part that is judged. */
type JudgedRecord = Pick<LedgerRecord, "ledger" | "isSampled" | "isBroken">;

/** Classifies one trace by comparing the request's ledger with the spans that a backend has. Pure. */
export function judgeTrace(record: JudgedRecord, spans: readonly SeenSpan[], knowledge: Knowledge): Verdict {
  const { ledger } = record;
  const { ours, foreign, copies, alternatives } = sortSpans(spans, knowledge, ledger);
  const found = { seen: ours.length, copies, foreign: foreign.length };
  if (record.isBroken) {
    const edge = { from: null, to: knowledge.graph?.entry ?? "the entry" };
    return verdictOf({ ...found, brokenEdges: [edge] }, "unknown");
  }
  if (ledger === null) return verdictOf({ ...found, copies: [], certainty: "counted" }, "unknown");
  const common = { ...found, expected: ledger.count, brokenEdges: knowledge.brokenEdges ?? [] };
  for (const choice of choices(ours, alternatives)) {
    if (isSameLedger(ledgerOf(choice), ledger) && ledger.unknown === 0) {
      return judgeProved(record, new TraceView(choice, foreign), common, knowledge);
    }
  }
  const view = new TraceView(ours, foreign);
  return ledger.unknown > 0
    ? judgeCut(ledger, view, common, knowledge)
    : judgeDiffering(ledger, view, foreign, common, knowledge);
}

type Common = Pick<Verdict, "seen" | "copies" | "foreign" | "expected" | "brokenEdges">;

/** The spans, and the spans with each of the differing copies instead. */
function* choices(
  ours: readonly SeenSpan[],
  alternatives: readonly SeenSpan[],
): Generator<readonly SeenSpan[]> {
  yield ours;
  for (const other of alternatives) yield ours.map((span) => (span.id === other.id ? other : span));
}

/** Every span of ours is there, as it was recorded. What is left to say is what the ledger does not account for. */
function judgeProved(record: JudgedRecord, view: TraceView, common: Common, knowledge: Knowledge): Verdict {
  // Asked to, the entry has decided otherwise.
  if (common.expected === 0 && record.isSampled)
    return verdictOf(
      { ...common, samplingIgnoredBy: [knowledge.graph?.entry ?? "the entry"] },
      "not-sampled",
    );
  const orphans = [...view.absentParents().values()].flat();
  // An unsampled request names no span that exists as parent: who records nevertheless hangs in the air.
  const falseRoots = record.isSampled ? findFalseRoots(view, knowledge) : null;
  // They did record what they were asked to, though not below the call.
  const loose = new Set(
    [...orphans, ...(falseRoots?.altered ?? []).map(({ span }) => span)].map((it) => it.serviceName),
  );
  const samplingIgnoredBy = record.isSampled
    ? view.ours
        .filter((span) => isUnanswered(view, span, knowledge))
        .flatMap(({ remote }) => (remote === null || loose.has(remote) ? [] : [remote]))
    : orphans.map(({ serviceName }) => serviceName);
  const findings = {
    ...common,
    seen: view.ours.length,
    orphans: record.isSampled ? orphans : [],
    samplingIgnoredBy: [...new Set(samplingIgnoredBy)],
    ...falseRoots,
    brokenEdges: [...common.brokenEdges, ...(falseRoots?.brokenEdges ?? brokenEdgesOf(view.ours))],
  };
  return verdictOf(findings, record.isSampled || view.ours.length > 0 ? "complete" : "not-sampled");
}

/**
 * Links other than the entry that took themselves for the root of the trace, because something replaced the parent id on its way
 * by one that only a load generator sends. Their ledgers agree with their spans, so that only the shape of the trace shows it.
 */
function findFalseRoots(
  view: TraceView,
  knowledge: Knowledge,
): Pick<Verdict, "altered" | "brokenEdges"> | null {
  const roots = view.ours.filter(({ kind, parentId }) => kind === "SERVER" && parentId === null);
  const entry = knowledge.graph?.entry ?? null;
  if (roots.length < 2 && (entry === null || roots.every(({ serviceName }) => serviceName === entry)))
    return null;
  const callOf = ({ serviceName }: SeenSpan) =>
    view.ours.find((span) => span.remote === serviceName && isUnanswered(view, span, knowledge));
  const called = roots.filter((root) => callOf(root) !== undefined);
  const first = roots.reduce((a, b) => (b.startUs < a.startUs ? b : a));
  const isFalse = (root: SeenSpan) =>
    entry !== null ? root.serviceName !== entry : called.length > 0 ? called.includes(root) : root !== first;
  const found = roots.filter(isFalse).map((span) => ({ span, call: callOf(span) ?? null }));
  return {
    altered: found.map(({ span, call }) => ({ span, field: "parent", was: call?.id ?? null, is: null })),
    brokenEdges: found.map(({ span, call }) => ({ from: call?.serviceName ?? null, to: span.serviceName })),
  };
}

/** A call to one of our links that was answered, though nothing below it is there. */
function isUnanswered(view: TraceView, span: SeenSpan, { services, graph, reached }: Knowledge): boolean {
  if (reached?.has(span.id) === false) return false;
  if (span.kind !== "CLIENT" || span.status === null || span.remote === null) return false;
  const isLink = services?.has(span.remote) ?? graph?.services.has(span.remote) ?? false;
  return isLink && view.childrenOf(span.id).length === 0;
}

/** The calls whose callees said that they began another trace. A gateway that answers by itself says nothing of the kind. */
function brokenEdgesOf(spans: readonly SeenSpan[]): Edge[] {
  return spans
    .filter(({ isContextBroken }) => isContextBroken)
    .map(({ serviceName, remote }) => ({ from: serviceName, to: remote ?? "" }));
}

/** Some call was not accounted for: what is below it may be there or not. */
function judgeCut(ledger: Ledger, view: TraceView, common: Common, knowledge: Knowledge): Verdict {
  const outside = findUnaccountedSpans(view, ledger);
  if (outside.isProved) {
    const brokenEdges = brokenEdgesOf(view.ours.filter((span) => !outside.spans.has(span)));
    return verdictOf({ ...common, brokenEdges }, "unknown");
  }
  const { count } = ledger;
  const lost = Math.max(0, count - view.ours.length);
  const counted = verdictOf({ ...common, unattributed: lost, certainty: "counted" }, "unknown");
  if (outside.isGivenUp) return counted;
  const known = new TraceView(
    view.ours.filter((span) => !outside.spans.has(span)),
    [],
  );
  const services = servicesOf(view, knowledge);
  const residual = xor(ledger, ledgerOf(known.ours));
  const repaired = findAlterations(
    known,
    [],
    services,
    residual,
    count - known.ours.length,
    knowledge.maxRepairs,
  );
  if (repaired !== null) return verdictOf({ ...common, ...repaired }, "unknown");
  // A span that was put below the cut by a wrong parent is not lost, though what is known lacks it.
  const isMixedUp = [...outside.spans].some((span) => isMisplaced(view, span));
  const completion = isMixedUp ? null : complete(ledger, view, knowledge);
  if (isTold(completion) && completion.missing.length + completion.unattributed > 0) {
    return verdictOf({ ...common, ...completion, certainty: "deduced" }, "unknown");
  }
  return counted;
}

/** Its parent is there, and is none that such a span can have. */
function isMisplaced(view: TraceView, span: SeenSpan): boolean {
  const parent = view.find(span.parentId);
  if (parent === undefined) return false;
  if (span.kind === "CLIENT") return parent.kind !== "SERVER" || parent.serviceName !== span.serviceName;
  return parent.kind !== "CLIENT" || (parent.remote ?? span.serviceName) !== span.serviceName;
}

function servicesOf(view: TraceView, { services }: Knowledge): ReadonlySet<string> {
  return services ?? new Set(view.ours.map(({ serviceName }) => serviceName));
}

function judgeDiffering(
  ledger: Ledger,
  view: TraceView,
  foreign: readonly SeenSpan[],
  common: Common,
  knowledge: Knowledge,
): Verdict {
  const lost = ledger.count - view.ours.length;
  const nameAll = (found: Completion | typeof IMPOSSIBLE | null, count: number) =>
    nameByLinks(
      isTold(found) ? found : { missing: [], unattributed: count, isProved: false },
      view.ours,
      knowledge.recorded ?? null,
      count,
      knowledge.graph,
    );
  if (view.ours.length + foreign.length === 0) {
    const completion = nameAll(complete(ledger, view, knowledge), lost);
    const certainty = completion.unattributed < lost ? "deduced" : "counted";
    return verdictOf({ ...common, ...completion, certainty }, "unknown");
  }
  const residual = xor(ledger, ledgerOf(view.ours));
  const services = servicesOf(view, knowledge);
  const repaired = findAlterations(view, foreign, services, residual, lost, knowledge.maxRepairs);
  if (repaired !== null) return verdictOf({ ...common, ...repaired, seen: ledger.count }, "unknown");
  if (lost > 0) {
    const completion = nameAll(completeOrCount(ledger, view, knowledge, lost), lost);
    const { missing, unattributed } = completion;
    const certainty = completion.isProved ? "proved" : unattributed === 0 ? "deduced" : "counted";
    return verdictOf({ ...common, missing, unattributed, certainty }, "unknown");
  }
  // Of more spans than were recorded, those that were may all be there.
  return verdictOf({ ...common, isAltered: lost === 0, certainty: "counted" }, "unknown");
}

/** Where the topology allows no such losses something else has happened as well, and nobody is accused. */
function completeOrCount(ledger: Ledger, view: TraceView, knowledge: Knowledge, lost: number): Completion {
  const completion = complete(ledger, view, knowledge);
  if (isTold(completion)) return completion;
  const isGiven = knowledge.services !== null;
  if (completion === IMPOSSIBLE && isGiven) return { missing: [], unattributed: lost, isProved: false };
  return completeByStructure(view, lost);
}

function isTold(completion: Completion | typeof IMPOSSIBLE | null): completion is Completion {
  return completion !== null && completion !== IMPOSSIBLE;
}

function complete(ledger: Ledger, view: TraceView, { graph, reached }: Knowledge) {
  if (graph === null) return null;
  return completeTrace(view, ledger, graph, xor(ledger, ledgerOf(view.ours)), reached);
}

/** Without a graph: what those that are there point at. More than is lost is not known to be lost. */
function completeByStructure(view: TraceView, lost: number): Completion {
  const missing: MissingSpan[] = [];
  for (const [id, children] of view.absentParents()) {
    const [child] = children;
    if (child === undefined) continue;
    const isClient = child.kind === "SERVER";
    missing.push({
      link: isClient ? null : child.serviceName,
      kind: isClient ? "CLIENT" : "SERVER",
      edge: isClient ? { from: null, to: child.serviceName } : null,
      id,
      parentId: undefined,
    });
  }
  const isNamed = missing.length <= lost;
  return {
    missing: isNamed ? missing : [],
    unattributed: isNamed ? lost - missing.length : lost,
    isProved: false,
  };
}

/** The verdict on a request that nobody asked to be recorded, and of which nothing is there. */
export const NOT_SAMPLED: Verdict = verdictOf({ expected: EMPTY_LEDGER.count }, "not-sampled");

/** The verdict on a request that something before the entry answered: no link was visited, as the links say. */
export const UNREACHED: Verdict = verdictOf({ expected: EMPTY_LEDGER.count }, "unreached");

/** The verdict on a request that visited links in another trace only, because the context broke before the entry. */
export function unreachedBy(brokenEdges: readonly Edge[]): Verdict {
  return verdictOf({ expected: EMPTY_LEDGER.count, brokenEdges }, "unreached");
}
