import type { TraceStore } from "../collector/store.ts";
import type { Counters } from "../verify/backend/counters.ts";
import type { LocalLink } from "./local-link.ts";

/** The counters of links and store since their start, in the form in which `verify` reads remote ones. */
export function lossCounters(links: readonly LocalLink[], store: TraceStore): Counters {
  const { refusedSpans, evictedSpans } = store.counts();
  return {
    links: new Map(links.map((link) => [link.name, { link: link.name, counters: countersOf(link) }])),
    // Unknown: the numbers of processes are a second old, and what was received has grown since.
    backend: { received: null, refused: refusedSpans, evicted: evictedSpans },
  };
}

/** `null` for a process that ended unexpectedly. */
function countersOf(link: LocalLink) {
  const { spansSent, spansQueued, spansDropped } = link.snapshot();
  const dropped = new Map(Object.entries(spansDropped));
  return link.isLost ? null : { sent: spansSent, queued: spansQueued, dropped };
}
