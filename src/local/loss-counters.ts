import type { TraceStore } from "../collector/store.ts";
import type { Counters } from "../verify/backend/counters.ts";
import type { LocalLink } from "./local-link.ts";

/** What links and store have counted since they were started, as `verify` reads it from those that are elsewhere. */
export function lossCounters(links: readonly LocalLink[], store: TraceStore): Counters {
  const { refusedSpans, evictedSpans } = store.counts();
  return {
    links: new Map(links.map((link) => [link.name, { link: link.name, counters: countersOf(link) }])),
    // What it received grows meanwhile: numbers of processes, a second old, are not to be held against it.
    backend: { received: null, refused: refusedSpans, evicted: evictedSpans },
  };
}

/** `null` for a process that ended without a word. */
function countersOf(link: LocalLink) {
  const { spansSent, spansQueued, spansDropped } = link.snapshot();
  const dropped = new Map(Object.entries(spansDropped));
  return link.isLost ? null : { sent: spansSent, queued: spansQueued, dropped };
}
