import type { Loss, LossReason } from "../../contract/verify-result.ts";
import type { Counters, LinkCounters } from "../backend/counters.ts";
import type { StageCounters } from "../backend/stage-counters.ts";
import type { Tally } from "../judge/tally.ts";
import { findStageLosses, type StageReport } from "./stage-losses.ts";

const DROP_REASONS = ["queue_full", "rejected", "unavailable", "shutdown"] as const;

/**
 * Says where missing spans went, by what counters grew from `before` to `after`: first what was counted span by span (by links, then as
 * refused by the backend), then what is only likely (a link is gone, the backend made room); never more than are missing.
 * @param ended What counters said soon after the last request, where others followed: of what links have queued now, only what they had
 * queued then can be missing, as queues are emptied in order
 * @param hasForgotten The backend no longer has traces that were seen in it
 * Attributes missing spans to causes by the growth of counters from `before` to `after`: first what was
 * counted span by span (by links, then refused by the backend), then what is only likely (a link is gone, the
 * backend evicted traces). It never attributes more spans than are missing.
 * @param ended counters shortly after the last request, if other requests followed. Queues are emptied in
 * order, so only spans that were queued then and still are can be missing
 * @param hasForgotten whether the backend no longer has traces that were seen in it
 */
export function attributeLosses(
  tally: Tally,
  before: Counters | null,
  after: Counters,
  ended: Counters | null = null,
  hasForgotten = false,
  stageNames: readonly string[] = [],
): Loss[] {
  const losses: Loss[] = [];
  let open = tally.unattributed;
  // Spans of traces that count as sampled out: what is proved to be lost beyond the missing spans is of these.
  let absent = tally.sampledOut;
  let sent = 0;
  let isSentKnown = after.links.size > 0;
  const take = (link: string | null, reason: LossReason, available: number, missing: number) => {
    const spans = Math.max(0, Math.min(available, missing));
    if (spans > 0) losses.push({ link, reason, spans });
    return spans;
  };
  /** For spans that are certainly lost, and not left out on purpose. */
  const takeLost = (link: string | null, reason: LossReason, available: number, stage?: string) => {
    const fromOpen = Math.max(0, Math.min(available, open));
    const fromAbsent = Math.max(0, Math.min(available - fromOpen, absent));
    open -= fromOpen;
    absent -= fromAbsent;
    const spans = fromOpen + fromAbsent;
    if (spans > 0) losses.push({ link, reason, spans, ...(stage === undefined ? {} : { stage }) });
  };
  /** Losses that were not counted, of links whose spans were lost with their process. */
  const gone: { readonly link: string; readonly reason: LossReason; readonly missing: number }[] = [];
  const growth = growthOf(before, after, ended);
  for (const name of new Set([...tally.links.keys(), ...growth.keys()])) {
    const { server = 0, client = 0 } = tally.links.get(name) ?? {};
    let missing = server + client;
    const grown = growth.get(name);
    if (grown !== undefined) {
      sent += grown.sent;
      if (grown.end !== null || !grown.isAsked) isSentKnown = false;
      const counts = DROP_REASONS.map((reason) => [reason, grown.dropped.get(reason) ?? 0] as const);
      for (const [reason, count] of [...counts, ["on_the_way", grown.queued] as const]) {
        const taken = take(name, reason, count, missing);
        missing -= taken;
        // Spans that could not be attributed to any link may be this link's.
        takeLost(name, reason, count - taken);
      }
    }
    const end = grown?.end ?? null;
    if (end === null) open += missing;
    else gone.push({ link: name, reason: end, missing });
  }
  const backend = after.backend;
  const grew = (key: "received" | "refused" | "evicted") =>
    backend?.[key] === null || backend?.[key] === undefined
      ? null
      : backend[key] - (before?.backend?.[key] ?? 0);
  const stages = stagesOf(before, after, isSentKnown ? sent : null, stageNames);
  const takeAt = (isCertain: boolean) => {
    for (const loss of stages?.losses ?? []) {
      if (loss.isCertain !== isCertain) continue;
      if (isCertain) takeLost(null, loss.reason, loss.spans, loss.stage);
      else {
        const spans = Math.max(0, Math.min(loss.spans, open));
        open -= spans;
        if (spans > 0) losses.push({ link: null, stage: loss.stage, reason: loss.reason, spans });
      }
    }
  };
  takeAt(true);
  const missingOfGone = gone.reduce((sum, { missing }) => sum + missing, 0);
  // Nothing else explains the remaining losses, so the refused spans are attributed to them first.
  let refused = take(null, "refused", grew("refused") ?? 0, open + missingOfGone);
  const refusedOfOpen = Math.min(refused, open);
  open -= refusedOfOpen;
  refused -= refusedOfOpen;
  for (const { link, reason, missing } of gone) {
    const refusedOfIt = Math.min(refused, missing);
    refused -= refusedOfIt;
    take(link, reason, missing - refusedOfIt, missing);
  }
  takeLost(null, "evicted", grew("evicted") ?? 0);
  if (backend?.restarts) takeLost(null, "backend_restarted", open + absent);
  else if (hasForgotten) takeLost(null, "backend_restarted_or_evicted", open + absent);
  takeAt(false);
  const received = grew("received");
  const handedOn = stages === null ? (isSentKnown ? sent : null) : stages.handedOn;
  if (backend && handedOn !== null && received !== null) {
    const { countsCopies = false, identity = null } = backend;
    // Copies of some spans must not offset the loss of others.
    const isExact = !countsCopies && identity !== null;
    const arrived = received - (countsCopies ? tally.copies : 0);
    if (identity !== null) open -= take(null, "never_received", handedOn - arrived, open);
    open -= take(null, isExact ? "not_stored" : "never_received_or_not_stored", open, open);
  }
  take(null, "unexplained", open, open);
  return losses;
}

function stagesOf(
  before: Counters | null,
  after: Counters,
  sent: number | null,
  names: readonly string[],
): StageReport | null {
  if (after.stages === undefined || after.stages.length === 0) return null;
  const known = before?.stages?.filter((stage): stage is StageCounters => stage !== null) ?? null;
  return findStageLosses(names, known, after.stages, sent);
}

/** What happened to one link, which may be several processes. */
interface LinkGrowth {
  sent: number;
  queued: number;
  readonly dropped: Map<string, number>;
  /** Whether a process ended with spans that it had not sent. */
  end: "link_gone" | "restarted_or_several_replicas" | null;
  /** Whether all existing processes answered. */
  isAsked: boolean;
}

function growthOf(
  before: Counters | null,
  after: Counters,
  ended: Counters | null,
): ReadonlyMap<string, LinkGrowth> {
  const growth = new Map<string, LinkGrowth>();
  const growthFor = (link: string) => {
    const known = growth.get(link) ?? {
      sent: 0,
      queued: 0,
      dropped: new Map(),
      end: null,
      isAsked: true,
    };
    growth.set(link, known);
    return known;
  };
  for (const [id, { link, counters: now }] of after.links) {
    const grown = growthFor(link);
    const first = before?.links.get(id);
    const then = first?.link === link ? first.counters : null;
    if (now === null) {
      // A process that did not answer before either may be fine.
      if (before === null || then !== null) grown.end = "link_gone";
      grown.isAsked = false;
      continue;
    }
    if (then !== null && isOther(then, now)) {
      // The time span of its counts is unknown.
      grown.isAsked = false;
      if (!isOlder(now, then)) grown.end ??= "restarted_or_several_replicas";
      continue;
    }
    grown.sent += now.sent - (then?.sent ?? 0);
    const atEnd = ended?.links.get(id);
    grown.queued += atEnd?.counters ? leftOf(atEnd.counters, now) : now.queued;
    for (const [reason, count] of now.dropped) {
      const since = count - (then?.dropped.get(reason) ?? 0);
      grown.dropped.set(reason, (grown.dropped.get(reason) ?? 0) + since);
    }
  }
  for (const [id, { link, counters }] of before?.links ?? []) {
    if (counters !== null && after.links.get(id)?.link !== link) growthFor(link).end = "link_gone";
  }
  return growth;
}

/** Returns how many of the spans queued then are still queued. */
function leftOf(then: LinkCounters, now: LinkCounters): number {
  const gone = (counters: LinkCounters) =>
    counters.dropped.values().reduce((sum, count) => sum + count, counters.sent);
  return Math.max(0, Math.min(now.queued, then.queued - (gone(now) - gone(then))));
}

/**
 * Whether a new process answers. Counters of one process never fall; a process that had counted nothing does
 * not tell.
 */
function isOther(then: LinkCounters, now: LinkCounters): boolean {
  return (
    (now.startedAt ?? null) !== (then.startedAt ?? null) ||
    now.sent < then.sent ||
    [...then.dropped].some(([reason, count]) => (now.dropped.get(reason) ?? 0) < count)
  );
}

/** A process that started before its predecessor is not a restart: several processes answer at one address. */
function isOlder(now: LinkCounters, then: LinkCounters): boolean {
  return (now.startedAt ?? Number.POSITIVE_INFINITY) < (then.startedAt ?? Number.NEGATIVE_INFINITY);
}
