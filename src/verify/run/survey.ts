import type { OwnTraces, Survey } from "../../contract/platform.ts";
import { RunIds } from "../../trace/run.ts";
import { pause, QueryPace } from "../backend/query-pace.ts";
import { isAway, type TraceReader } from "../backend/trace-reader.ts";
import { checkExpectation, type Expectation } from "../judge/expectation.ts";
import { PlatformTally } from "../judge/platform.ts";
import type { SeenSpan } from "../judge/seen-span.ts";
import { type Ownership, sortSpans } from "../judge/sorted-spans.ts";
import { findOwnTraces, type OwnTracesOptions } from "./own-traces.ts";
import type { RunLedger } from "./run-ledger.ts";

interface SurveyOptions {
  readonly ledger: RunLedger;
  readonly reader: TraceReader;
  /** Names of our links; `null` if unknown. */
  readonly services: ReadonlySet<string> | null;
  /** End of the last request, in milliseconds since 1970. */
  readonly endMs: number;
  readonly expectations: readonly Expectation[];
  /** Maximum time to wait for spans of the platform. */
  readonly maxWaitMs: number;
  /** The survey ends when no new trace of the platform has arrived for this long. @default 6000 */
  readonly quietMs?: number;
  readonly queriesPerSecond: number;
  readonly signal: AbortSignal;
  /** When aborted, the survey stops waiting. */
  readonly hurry: AbortSignal;
}

/**
 * Maximum number of traces read, spread evenly over longer runs. Shares are then accurate to 3 percentage
 * points.
 */
const MAX_TRACES = 1000;
/** Maximum number of link spans in these traces, which are in memory together: about 50 MB. */
const MAX_SPANS = 100_000;
const POLL_MS = 1000;
/** Envoy and most SDKs export within 5 s. */
const QUIET_MS = 6000;

/**
 * Reads a sample of the run's traces after all are judged, and returns what the platform recorded in them and
 * in traces of its own. It is a separate pass because no ledger counts the platform's spans, so they may
 * arrive after a trace is proved complete. It repeats while an expectation is not met or new traces of the
 * platform still arrive.
 * If the backend becomes unreadable, expectations stay undecided.
 */
export async function surveyPlatform(options: SurveyOptions): Promise<Survey> {
  const {
    ledger,
    reader,
    services,
    expectations,
    endMs,
    maxWaitMs,
    quietMs = QUIET_MS,
    signal,
    hurry,
  } = options;
  const pace = new QueryPace(options.queriesPerSecond, signal);
  const deadlineMs = performance.now() + maxWaitMs;
  let quietSinceMs = performance.now();
  let last = -1;
  try {
    for (;;) {
      const { platform, ours } = await readSample(options, pace);
      const expected = expectations.map((it) => checkExpectation(it, platform));
      const ownTraces = await readOwnTraces({
        ledger,
        reader,
        platform,
        ours,
        services,
        endMs,
        pace,
        signal,
      });
      const nowMs = performance.now();
      const count = ownTraces.reduce((sum, { traces }) => sum + traces, 0);
      if (count !== last) quietSinceMs = nowMs;
      last = count;
      const isQuiet = count === 0 || nowMs - quietSinceMs >= quietMs;
      const isMet = expected.every(({ outcome }) => outcome === "met");
      if ((isQuiet && isMet) || hurry.aborted || nowMs >= deadlineMs)
        return { ...platform, ownTraces, expected };
      await pause(Math.min(POLL_MS, deadlineMs - nowMs), signal);
    }
  } catch (error) {
    if (!isAway(error)) throw error;
    const found = "the backend could not be read";
    const expected = expectations.map(({ text }) => ({
      expectation: text,
      outcome: "could-not-tell" as const,
      found,
    }));
    return { ...new PlatformTally().result(), ownTraces: [], expected };
  }
}

/** A backend without search cannot find such traces. */
async function readOwnTraces(options: OwnTracesOptions): Promise<OwnTraces[]> {
  try {
    return await findOwnTraces(options);
  } catch (error) {
    if (isAway(error)) return [];
    throw error;
  }
}

async function readSample({ ledger, reader, services, signal }: SurveyOptions, pace: QueryPace) {
  const ids = new RunIds(ledger.header.run);
  const tally = new PlatformTally();
  const ours: SeenSpan[] = [];
  const sample = sampleOf(ledger);
  const ownership: Ownership = { services, foreign: new Set(), isMarked: true };
  for (let from = 0; from < sample.length; from += reader.batchSize) {
    const records = sample.slice(from, from + reader.batchSize).map((index) => ledger.record(index));
    await pace.turn();
    const traces = await reader.read(
      records.map(({ sequence }) => ids.traceId(sequence)),
      signal,
    );
    for (const record of records) {
      const sorted = sortSpans(traces.get(ids.traceId(record.sequence)) ?? [], ownership, record.ledger);
      tally.add(sorted.ours, sorted.foreign);
      ours.push(...sorted.ours);
    }
  }
  return { platform: tally.result(), ours };
}

/** Ledger indexes of sampled requests. */
function sampleOf(ledger: RunLedger): number[] {
  const indexes = spread(ledger.size, MAX_TRACES).filter((index) => ledger.record(index).isSampled);
  const spans = indexes.reduce((sum, index) => sum + (ledger.record(index).ledger?.count ?? 0), 0);
  const perTrace = spans / Math.max(1, indexes.length);
  const kept = spread(indexes.length, Math.ceil(MAX_SPANS / Math.max(1, perTrace)));
  return kept.map((at) => indexes[at] as number);
}

/** Returns at most `count` of the numbers below `size`, evenly spread. */
function spread(size: number, count: number): number[] {
  const step = Math.max(1, size / count);
  return Array.from({ length: Math.ceil(size / step) }, (_, at) => Math.floor(at * step));
}
