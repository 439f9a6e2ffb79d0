import type { StageReason } from "../../contract/verify-result.ts";
import { formatCount } from "../../lib/count.ts";
import type { ExporterCounters, StageCounters } from "../backend/stage-counters.ts";

interface StageLoss {
  readonly reason: StageReason;
  /** For people: which collector, and which of its exporters. */
  readonly stage: string;
  /** Spans that may have been lost there. */
  readonly spans: number;
  /** The counters show that the spans were lost, and not left out on purpose. */
  readonly isCertain: boolean;
}

export interface StageReport {
  /** The most certain first. */
  readonly losses: readonly StageLoss[];
  /** Spans that the last collector handed on; `null` where that is not known. */
  readonly handedOn: number | null;
}

/**
 * What each collector of a pipeline did with spans, by the growth of its counters. What a receiver refused is the last thing to
 * blame: the sender hears of it, sends again, and counts what it gives up.
 * @param sent Spans that links sent with a good answer; `null` where that is not known
 * @param after `null` for a collector that does not answer any more
 */
export function findStageLosses(
  names: readonly string[],
  before: readonly StageCounters[] | null,
  after: readonly (StageCounters | null)[],
  sent: number | null,
): StageReport {
  const exact: StageLoss[] = [];
  const likely: StageLoss[] = [];
  const last: StageLoss[] = [];
  let handedOn = sent;
  for (const [at, now] of after.entries()) {
    const stage = names[at] ?? `collector ${at + 1}`;
    const then = before?.[at] ?? null;
    if (now === null || isOther(then, now)) {
      const reason = now === null ? "collector_gone" : "collector_restarted";
      likely.push({ reason, stage, spans: Number.POSITIVE_INFINITY, isCertain: false });
      handedOn = null;
      continue;
    }
    const grown = growthOf(then, now);
    if (handedOn !== null)
      exact.push({ reason: "never_received", stage, spans: handedOn - grown.accepted, isCertain: true });
    // Without a batch processor the receiver answers with what the exporter could not do: such spans are sent again.
    let toSender = grown.refused;
    let failed = 0;
    for (const [name, exporter] of grown.exporters) {
      const kept = Math.min(toSender, exporter.failed);
      toSender -= kept;
      const spans = exporter.failed - kept;
      failed = Math.max(failed, spans);
      exact.push({ reason: "export_failed", stage: `${stage}, exporter ${name}`, spans, isCertain: true });
    }
    const sentBy = [...grown.exporters.values()].map((it) => it.sent);
    // Which of several exporters leads to the backend is not known: the one that sent the most lost the least.
    handedOn = sentBy.length === 0 ? (grown.accepted === 0 ? 0 : null) : Math.max(...sentBy);
    if (handedOn !== null) {
      const spans = grown.accepted - handedOn - failed;
      likely.push({ reason: withheldBy(grown), stage, spans, isCertain: false });
    }
    if (sentBy.length > 1) handedOn = null;
    last.push({ reason: "refused_by_collector", stage, spans: grown.refused, isCertain: false });
  }
  return { losses: [...exact, ...likely, ...last], handedOn };
}

/**
 * Why traces that are absent may have been lost, and not sampled out; `null` where nothing says so. A collector that was restarted, or
 * whose tail sampler had no room, forgets whole traces.
 */
export function doubtSampling(
  names: readonly string[],
  before: readonly StageCounters[] | null,
  after: readonly (StageCounters | null)[],
): string | null {
  const texts = after.flatMap((now, at) => {
    const stage = names[at] ?? `collector ${at + 1}`;
    const then = before?.[at] ?? null;
    if (now === null) return [`${stage} does not answer any more`];
    if (isOther(then, now)) return [`${stage} was restarted`];
    const { evictedTraces } = growthOf(then, now);
    const traces = formatCount(evictedTraces, "trace");
    return evictedTraces > 0
      ? [`the tail sampler of ${stage} evicted ${traces} before it decided on them`]
      : [];
  });
  return texts.length === 0 ? null : `${texts.join("; ")}: absent traces may have been lost, not sampled out`;
}

function withheldBy({ queued, sampledOutTraces, evictedTraces }: StageCounters): StageReason {
  if (sampledOutTraces > 0 && evictedTraces > 0) return "sampled_out_or_sampler_overflow";
  if (sampledOutTraces > 0) return "sampled_out";
  if (evictedTraces > 0) return "sampler_overflow";
  return queued > 0 ? "in_collector_queue" : "dropped_in_collector";
}

function growthOf(then: StageCounters | null, now: StageCounters): StageCounters {
  if (then === null) return now;
  const exporters = new Map<string, ExporterCounters>();
  for (const [name, { sent, failed }] of now.exporters) {
    const old = then.exporters.get(name) ?? { sent: 0, failed: 0 };
    exporters.set(name, { sent: sent - old.sent, failed: failed - old.failed });
  }
  return {
    ...now,
    exporters,
    accepted: now.accepted - then.accepted,
    refused: now.refused - then.refused,
    sampledOutTraces: now.sampledOutTraces - then.sampledOutTraces,
    evictedTraces: now.evictedTraces - then.evictedTraces,
  };
}

/** Counters of one process never fall. */
function isOther(then: StageCounters | null, now: StageCounters): boolean {
  if (then === null) return false;
  if (then.identity !== now.identity) return true;
  const total = ({ accepted, exporters }: StageCounters) =>
    exporters.values().reduce((sum, { sent }) => sum + sent, accepted);
  return total(now) < total(then);
}
