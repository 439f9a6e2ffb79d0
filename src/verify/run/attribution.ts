import type { Loss, LossReason } from "../../contract/verify-result.ts";
import type { Counters, LinkCounters } from "../backend/counters.ts";
import type { Tally } from "../judge/tally.ts";

const DROP_REASONS = ["queue_full", "rejected", "unavailable", "shutdown"] as const;

/**
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
): Loss[] {
  const losses: Loss[] = [];
  let open = tally.unattributed;
  let sent = 0;
  let isSentKnown = after.links.size > 0;
  const take = (link: string | null, reason: LossReason, available: number, missing: number) => {
    const spans = Math.max(0, Math.min(available, missing));
    if (spans > 0) losses.push({ link, reason, spans });
    return spans;
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
        open -= take(name, reason, count - taken, open);
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
  open -= take(null, "evicted", grew("evicted") ?? 0, open);
  if (backend?.restarts) open -= take(null, "backend_restarted", open, open);
  else if (hasForgotten) open -= take(null, "backend_restarted_or_evicted", open, open);
  const received = grew("received");
  if (backend && isSentKnown && received !== null) {
    const { countsCopies = false, identity = null } = backend;
    // Copies of some spans must not offset the loss of others.
    const isExact = !countsCopies && identity !== null;
    const arrived = received - (countsCopies ? tally.copies : 0);
    if (identity !== null) open -= take(null, "never_received", sent - arrived, open);
    open -= take(null, isExact ? "not_stored" : "never_received_or_not_stored", open, open);
  }
  take(null, "unexplained", open, open);
  return losses;
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
