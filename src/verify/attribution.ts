import type { BackendCounters, Counters, LinkCounters } from "./counters.ts";
import type { Tally } from "./tally.ts";

/** Why spans are missing. */
export type LossReason =
  /** The link's own counters say so: `chain_link_spans_dropped_total`. */
  | "queue_full"
  | "rejected"
  | "unavailable"
  | "shutdown"
  /** Still in the link's queue. */
  | "on_the_way"
  /** The link cannot be asked any more. */
  | "link_gone"
  /** The backend counted them as not stored. */
  | "refused"
  | "evicted"
  /** The backend was started again, and has nothing of what it had. */
  | "backend_restarted"
  /** The links sent them and got a good answer, but the backend counted fewer. */
  | "never_received"
  /** The backend took them, and does not have them. */
  | "not_stored"
  /** Nobody's counters were there to ask. */
  | "unexplained";

export interface Loss {
  readonly link: string | null;
  readonly reason: LossReason;
  readonly spans: number;
}

const DROP_REASONS = ["queue_full", "rejected", "unavailable", "shutdown"] as const;

/**
 * Says where missing spans went, by what counters grew from `before` to `after`: first by what links say of themselves, then by
 * what the backend says; never more than are missing.
 * @param ended What counters said soon after the last request, where others followed: of what links have queued now, only what they had
 * queued then can be missing, as queues are emptied in order
 */
export function attributeLosses(
  tally: Tally,
  before: Counters | null,
  after: Counters,
  ended: Counters | null = null,
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
  const growth = growthOf(before, after, ended);
  for (const name of new Set([...tally.links.keys(), ...growth.keys()])) {
    const { server = 0, client = 0 } = tally.links.get(name) ?? {};
    let missing = server + client;
    const grown = growth.get(name);
    if (grown !== undefined) {
      sent += grown.sent;
      if (grown.isGone || !grown.isAsked) isSentKnown = false;
      const counts = DROP_REASONS.map((reason) => [reason, grown.dropped.get(reason) ?? 0] as const);
      for (const [reason, count] of [...counts, ["on_the_way", grown.queued] as const]) {
        const taken = take(name, reason, count, missing);
        missing -= taken;
        // What no trace could name as this link's may be its, too.
        open -= take(name, reason, count - taken, open);
      }
      if (grown.isGone) missing -= take(name, "link_gone", missing, missing);
    }
    open += missing;
  }
  const backend = after.backend;
  const grew = (key: keyof BackendCounters) =>
    backend?.[key] === null || backend?.[key] === undefined
      ? null
      : backend[key] - (before?.backend?.[key] ?? 0);
  open -= take(null, "refused", grew("refused") ?? 0, open);
  open -= take(null, "evicted", grew("evicted") ?? 0, open);
  if (backend?.restarts) open -= take(null, "backend_restarted", open, open);
  const received = grew("received");
  if (isSentKnown && received !== null) {
    open -= take(null, "never_received", sent - received, open);
    open -= take(null, "not_stored", open, open);
  }
  take(null, "unexplained", open, open);
  return losses;
}

/** What happened to one link, whose processes may be several. */
interface LinkGrowth {
  sent: number;
  queued: number;
  readonly dropped: Map<string, number>;
  /** One of its processes ended, or was started again: what it had not sent went with it. */
  isGone: boolean;
  /** All that are there could be asked. */
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
      isGone: false,
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
      // Who could not be asked before, either, may be well.
      if (before === null || then !== null) grown.isGone = true;
      grown.isAsked = false;
      continue;
    }
    const isNew = then === null || isRestarted(then, now);
    if (then !== null && isNew) grown.isGone = true;
    grown.sent += now.sent - (isNew ? 0 : then.sent);
    const atEnd = ended?.links.get(id);
    grown.queued += atEnd?.counters ? leftOf(atEnd.counters, now) : now.queued;
    for (const [reason, count] of now.dropped) {
      const since = count - (isNew ? 0 : (then.dropped.get(reason) ?? 0));
      grown.dropped.set(reason, (grown.dropped.get(reason) ?? 0) + since);
    }
  }
  for (const [id, { link, counters }] of before?.links ?? []) {
    if (counters !== null && after.links.get(id)?.link !== link) growthFor(link).isGone = true;
  }
  return growth;
}

/** Of the spans that were queued then, how many are still. */
function leftOf(then: LinkCounters, now: LinkCounters): number {
  const gone = (counters: LinkCounters) =>
    counters.dropped.values().reduce((sum, count) => sum + count, counters.sent);
  return Math.max(0, Math.min(now.queued, then.queued - (gone(now) - gone(then))));
}

/** Counters of a process never fall; those of one that had counted nothing do not tell. */
function isRestarted(then: LinkCounters, now: LinkCounters): boolean {
  return (
    (now.startedAt ?? null) !== (then.startedAt ?? null) ||
    now.sent < then.sent ||
    [...then.dropped].some(([reason, count]) => (now.dropped.get(reason) ?? 0) < count)
  );
}
