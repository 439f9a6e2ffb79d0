import type { Survey } from "../../contract/platform.ts";
import type { ResultHead } from "../../contract/result-head.ts";
import { describeCauses, type UnknownCauses } from "../../contract/unknown-causes.ts";
import type {
  ExportLatency,
  Loss,
  Outcome,
  StrictOutcome,
  VerifyResult,
} from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import type { Histogram } from "../../lib/histogram.ts";
import type { CallGraph } from "../judge/call-graph.ts";
import { type KeptShares, roundUp } from "../judge/kept-shares.ts";
import type { Example, Tally } from "../judge/tally.ts";
import { describeUnknown, withFailures } from "../judge/unknown-cause.ts";
import { edgeText } from "../judge/verdict.ts";
import type { Reconciliation } from "../run/reconcile.ts";

/** Allowed shares, 0 to 1. */
export interface Allowance {
  /** Share of missing spans and of wrong traces. */
  readonly loss: number;
  /** Share of traces that cannot be judged. */
  readonly unknown: number;
}

const CUT_IDS =
  "trace IDs were cut to 64 bits on their way to the backend: it has the traces under the last 16 digits of their IDs";
const UNTRACED =
  "records no spans, because its OTEL_SDK_DISABLED is true or its OTEL_TRACES_EXPORTER is none";
const NOTHING_ALLOWED: Allowance = { loss: 0, unknown: 0 };

interface ResultOptions extends Omit<ResultHead, "endedMs" | "judgedMs"> {
  readonly run: string;
  /** @default now */
  readonly judgedMs?: number;
  readonly allowed: Allowance;
  readonly losses: readonly Loss[];
  /** Traces were found by the low half of their ids only. @default false */
  readonly hasCutIds?: boolean | undefined;
  /** Links that record no spans, because a variable of theirs says so. @default none */
  readonly untraced?: readonly string[];
  readonly pageOf: (traceId: string) => string | null;
  /** Why the ledger may lack requests of the run. @default null: it is complete */
  readonly cut?: string | null;
  /** @default null: not surveyed */
  readonly platform?: Survey | null;
  /** Failed requests by kind, from the sender. @default null: only the ledger is known */
  readonly failures?: ReadonlyMap<string, number> | null;
  /** Absent traces count as sampled out. @default false */
  readonly isSamplingAllowed?: boolean;
  /** Why absent traces may have been lost instead. @default null */
  readonly samplingDoubt?: string | null;
}

/** The input of a result. */
export type Reconciled = Pick<Reconciliation, "tally" | "exportLatency" | "graph"> & {
  readonly keptShares?: KeptShares;
};

export function resultOf(
  { tally, exportLatency, graph, keptShares }: Reconciled,
  options: ResultOptions,
): VerifyResult {
  const { untraced = [], hasCutIds = false } = options;
  const notes = [...untraced.map((name) => `${name} ${UNTRACED}`), ...(hasCutIds ? [CUT_IDS] : [])];
  const lostSpans = countLostOfAbsent(tally, options.losses);
  const missing = tally.missing + lostSpans;
  const sampling =
    options.isSamplingAllowed === true && keptShares !== undefined
      ? { ...keptShares.total, lostSpans, groups: keptShares.list(), expected: keptShares.check() }
      : null;
  const found = outcomeOf({ ...totalsOf(tally), missing }, options.allowed);
  const unknownCauses = withFailures(tally.unknownCauses, options.failures ?? null);
  const doubt =
    doubtOf(found, tally, options.losses, unknownCauses) ??
    // A known loss counts even if the ledger is incomplete.
    (isPassed(found) ? (options.cut ?? doubtSampled(tally, options.samplingDoubt ?? null)) : null);
  return {
    outcome: doubt === null ? found : "could-not-tell",
    doubt,
    subject: options.subject,
    url: options.url,
    backend: options.backend,
    run: options.run,
    ...(notes.length > 0 ? { notes } : {}),
    startedMs: options.startedMs,
    endedMs: Math.max(options.startedMs, tally.lastEndMs),
    judgedMs: options.judgedMs ?? Date.now(),
    requests: tally.requests,
    traces: tally.classes,
    unknownCauses,
    spans: {
      expected: tally.expected,
      missing,
      unattributed: tally.unattributed,
      altered: tally.altered,
      copies: tally.copies,
      unexpected: tally.unexpected,
      foreign: tally.foreign,
      sampledOut: tally.sampledOut,
    },
    links: Object.fromEntries(tally.links),
    edges: Object.fromEntries(tally.edges),
    calls: callsOf(graph),
    brokenContexts: Object.fromEntries(tally.brokenEdges),
    platform: options.platform ?? null,
    failedCalls: tally.failedCalls.list(),
    samplingIgnoredBy: Object.fromEntries(
      [...tally.samplingIgnoredBy].filter(([name]) => !untraced.includes(name)),
    ),
    sampling,
    losses: options.losses,
    exportLatencyMs: latencyOf(exportLatency),
    seconds: [...tally.seconds]
      .sort(([a], [b]) => a - b)
      .map(([second, counts]) => ({ time: second * 1000, ...counts })),
    examples: tally.examples.map((example) => ({
      traceId: example.traceId,
      class: example.verdict.class,
      certainty: example.verdict.certainty,
      page: options.pageOf(example.traceId),
      findings: describeFindings(example, unknownCauses),
    })),
  };
}

function latencyOf(histogram: Histogram): ExportLatency | null {
  if (histogram.count === 0) return null;
  const ms = (quantile: number) => Number((histogram.quantile(quantile) / 1000).toFixed(1));
  const counts = new Map<number, number>();
  for (const { count, middle } of histogram.buckets()) {
    const upToMs = roundUp(middle / 1000);
    counts.set(upToMs, (counts.get(upToMs) ?? 0) + count);
  }
  const buckets: ExportLatency["buckets"][number][] = [];
  const last = Math.max(...counts.keys());
  for (let upToMs = Math.min(...counts.keys()); upToMs <= last; upToMs = roundUp(upToMs * 1.1))
    buckets.push({ upToMs, count: counts.get(upToMs) ?? 0 });
  return { p50: ms(0.5), p90: ms(0.9), p99: ms(0.99), buckets };
}

function callsOf(graph: CallGraph | null): string[] {
  const calls = new Set<string>();
  for (const { name, steps } of graph?.services.values() ?? []) {
    for (const { service } of steps.flat()) calls.add(edgeText({ from: name, to: service }));
  }
  return [...calls];
}

type Totals = Pick<Tally, "classes" | "traces" | "expected" | "missing" | "sampledOut">;

function totalsOf({ classes, traces, expected, missing, sampledOut }: Tally): Totals {
  return { classes, traces, expected, missing, sampledOut };
}

/** Losses are attributed to missing spans first; what counters prove beyond them is missing in absent traces. */
function countLostOfAbsent({ missing, sampledOut }: Tally, losses: readonly Loss[]): number {
  const lost = losses.reduce((sum, { spans }) => sum + spans, 0);
  return Math.max(0, Math.min(sampledOut, lost - missing));
}

function doubtSampled(tally: Tally, samplingDoubt: string | null): string | null {
  const absent = tally.classes["sampled-out"];
  if (absent === 0) return null;
  if (tally.sampledOut === tally.expected)
    return "the backend has no span of this run: is it the one that the links report to?";
  return samplingDoubt;
}

export function isPassed(outcome: Outcome): boolean {
  return outcome === "complete" || outcome === "within-allowed-loss";
}

export function outcomeOf(totals: Totals, allowed: Allowance): Outcome {
  const found = strictOutcomeOf(totals, allowed);
  return found === "complete" && strictOutcomeOf(totals) !== "complete" ? "within-allowed-loss" : found;
}

/** Copies alone are not a loss, and neither are unsampled requests. */
export function strictOutcomeOf(
  { classes, traces, expected, missing, sampledOut }: Totals,
  allowed = NOTHING_ALLOWED,
): StrictOutcome {
  const wrong =
    classes["wrong-parent"] +
    classes["wrong-service"] +
    classes.altered +
    classes.unexpected +
    classes["broken-context"] +
    classes.orphaned;
  // What a sampler left out cannot make up for what was lost.
  if (missing > (expected - sampledOut) * allowed.loss || wrong > traces * allowed.loss) return "incomplete";
  if (traces === 0 || classes.unknown > traces * allowed.unknown) return "could-not-tell";
  return "complete";
}

/** Returns why the result is not a proof; `null` if it is one. */
function doubtOf(
  found: Outcome,
  tally: Tally,
  losses: readonly Loss[],
  causes: UnknownCauses,
): string | null {
  const { requests, expected, missing, unexpected } = tally;
  if (tally.traces === 0) return "no request was sent";
  if (found === "could-not-tell") return describeCauses(causes);
  const isNothingWrong = found === "complete" && unexpected === 0;
  if (isNothingWrong && expected === 0) return `no span was recorded for ${formatCount(requests, "request")}`;
  // The spans may be lost, sent elsewhere, or evicted long ago: neither their absence nor a counter tells
  // which.
  const isNothingThere = missing > 0 && missing === expected && unexpected + tally.copies === 0;
  const isUnexplained = losses.length > 0 && losses.every(({ reason }) => reason === "unexplained");
  if (found === "incomplete" && isNothingThere && isUnexplained)
    return "the backend has no span of this run; check that the links report to it";
  return null;
}

/** Describes what is wrong with a trace. */
export function describeFindings(
  { verdict, cause }: Pick<Example, "verdict" | "cause">,
  causes: UnknownCauses = {},
): string[] {
  const { missing, unattributed, altered, copies, unexpected, brokenEdges, orphans } = verdict;
  const at = (edge: { from: string | null; to: string }) => `${edge.from ?? "?"} > ${edge.to}`;
  return [
    ...missing.map(
      ({ kind, link, edge, id }) =>
        `misses ${kind} of ${link ?? "an unknown caller"}${edge === null ? "" : ` (${at(edge)})`}${id === null ? "" : `, span ${id}`}`,
    ),
    ...(unattributed > 0 ? [`misses ${formatCount(unattributed, "span")} that cannot be identified`] : []),
    ...altered.map(
      ({ span, field, was, is }) => `${field} of span ${span.id} was ${was ?? "none"}, is ${is ?? "none"}`,
    ),
    ...(verdict.isAltered
      ? [`has as many spans as were recorded, ${verdict.expected}, but not the same ones`]
      : []),
    ...copies.map(({ id, serviceName }) => `span ${id} of ${serviceName} arrived more than once`),
    ...unexpected.map(({ id, serviceName }) => `no ledger covers span ${id} of ${serviceName}`),
    ...brokenEdges.map((edge) => `the context broke at ${at(edge)}`),
    ...(verdict.class === "unknown" ? [describeUnknown(verdict, cause, causes)] : []),
    ...orphans.map(({ id, serviceName }) => `the parent of span ${id} of ${serviceName} is missing`),
  ];
}
