import { TRACE_CLASSES, type TraceClass } from "../../contract/trace-class.ts";
import type { Loss, LossReason, StrictOutcome } from "../../contract/verify-result.ts";
import { Histogram } from "../../lib/histogram.ts";
import { strictOutcomeOf } from "../result/result.ts";
import type { Reconciliation } from "../run/reconcile.ts";

/** Label for missing spans that cannot be attributed to a link. */
const NO_LINK = "unknown";

/** Everything a canary has found since it started, in constant memory. */
export class CanaryTotals {
  readonly classes = Object.fromEntries(TRACE_CLASSES.map((name) => [name, 0])) as Record<TraceClass, number>;
  /** Spans counted by the ledgers. */
  expected = 0;
  missing = 0;
  sampledOut = 0;
  altered = 0;
  copies = 0;
  unexpected = 0;
  /** Missing spans by link and reason. */
  readonly losses = new Map<string, { link: string; reason: LossReason; spans: number }>();
  /** Traces with broken context, by edge. */
  readonly brokenEdges = new Map<string, number>();
  /** Microseconds from the end of a request until its trace was seen complete. */
  readonly exportLatency = new Histogram();
  readonly windows: Record<StrictOutcome, number> = { complete: 0, incomplete: 0, "could-not-tell": 0 };
  openWindows = 0;
  /** Windows that were skipped because too many were waiting to be judged. */
  skippedWindows = 0;
  /** Number of times the backend could not be read. */
  failedReads = 0;
  /** Requests that were not judged because the canary ended. */
  unjudged = 0;
  /** When a window last had this outcome, in milliseconds since 1970; 0 for never. */
  readonly lastMs: Record<StrictOutcome, number> = { complete: 0, incomplete: 0, "could-not-tell": 0 };
  /** Outcome of the last window. */
  lastOutcome: StrictOutcome | null = null;

  /** Whether the last window could not be judged, or there was none yet. */
  get isBlind(): boolean {
    return this.lastOutcome === null || this.lastOutcome === "could-not-tell";
  }

  get traces(): number {
    return Object.values(this.classes).reduce((sum, count) => sum + count, 0);
  }

  add({ tally, exportLatency }: Reconciliation, losses: readonly Loss[]): void {
    for (const name of TRACE_CLASSES) this.classes[name] += tally.classes[name];
    this.expected += tally.expected;
    this.missing += tally.missing;
    this.sampledOut += tally.sampledOut;
    this.altered += tally.altered;
    this.copies += tally.copies;
    this.unexpected += tally.unexpected;
    for (const [edge, count] of tally.brokenEdges) {
      this.brokenEdges.set(edge, (this.brokenEdges.get(edge) ?? 0) + count);
    }
    for (const { link, reason, spans } of nameLinks(losses, tally.links)) {
      const key = `${link} ${reason}`;
      const known = this.losses.get(key) ?? { link, reason, spans: 0 };
      this.losses.set(key, known);
      known.spans += spans;
    }
    this.exportLatency.add(exportLatency);
    this.#note(strictOutcomeOf(tally));
  }

  /** Adds the requests of a window that could not be judged. */
  addUntold(requests: number): void {
    this.classes.unknown += requests;
    this.#note("could-not-tell");
  }

  #note(outcome: StrictOutcome): void {
    this.windows[outcome]++;
    this.lastMs[outcome] = Date.now();
    this.lastOutcome = outcome;
  }
}

/**
 * Assigns reasons to links. Losses that only the backend's counters explain name no link, although the links
 * of the missing spans may be known. If there is only one such reason, it applies to all of them.
 */
function nameLinks(
  losses: readonly Loss[],
  links: Reconciliation["tally"]["links"],
): { link: string; reason: LossReason; spans: number }[] {
  const named = losses.flatMap(({ link, reason, spans }) => (link === null ? [] : [{ link, reason, spans }]));
  const nameless = losses.filter(({ link }) => link === null);
  const [only] = nameless;
  if (only === undefined) return named;
  if (nameless.length > 1) return [...named, ...nameless.map((loss) => ({ ...loss, link: NO_LINK }))];
  let { spans } = only;
  for (const [link, { server, client }] of links) {
    const told = named.reduce((sum, loss) => sum + (loss.link === link ? loss.spans : 0), 0);
    const open = Math.min(spans, Math.max(0, server + client - told));
    if (open > 0) named.push({ link, reason: only.reason, spans: open });
    spans -= open;
  }
  return spans === 0 ? named : [...named, { link: NO_LINK, reason: only.reason, spans }];
}
