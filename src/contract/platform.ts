/** Where the platform recorded spans: on a call between links, before the entry, or inside a link. */
export type PlaceKind = "edge" | "entry" | "inside";

/** Spans that one service of the platform recorded at one place. */
export interface PlatformRow {
  /** The instrumentation scope or another sign of what recorded the spans; `null` if there is none. */
  readonly recorder: string | null;
  /** The service name of the spans. A sidecar may use the name of a link. */
  readonly service: string;
  readonly place: PlaceKind;
  /** `a > b`, `> a` before the entry, `in a` within a link; `?` where spans in between are missing. */
  readonly edge: string;
  /** Number of spans in all traces read. */
  readonly spans: number;
  /** Number of calls by spans per call; calls without a span count under 0. */
  readonly callsBySpans: Readonly<Record<string, number>>;
  /** Share, 0 to 1, of the requests with a call at this place that have such a span. */
  readonly requestShare: number;
  /**
   * Share, 0 to 1, of the time of those calls that the spans cover: of the CLIENT span on an edge, of the
   * link's SERVER span at the entry and inside a link. Overlapping spans count once. `null` when no call is
   * known.
   */
  readonly timeCovered: number | null;
}

/** Everything that the platform recorded in the traces read. */
export interface Platform {
  /** Number of traces read. Long runs are sampled. */
  readonly tracesRead: number;
  readonly rows: readonly PlatformRow[];
  /** Number of calls by place, keyed as in `edge`. */
  readonly calls: Readonly<Record<string, number>>;
}

/** Formats the spans per call, for calls that have any: `2`, or `1 to 3` if they differ. */
export function spansPerCall({ callsBySpans }: PlatformRow): string {
  const counts = Object.keys(callsBySpans)
    .map(Number)
    .filter((count) => count > 0);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? String(least) : `${least} to ${most}`;
}

/** The outcome of one expectation. */
export interface Expected {
  readonly expectation: string;
  readonly outcome: "met" | "not-met" | "could-not-tell";
  /** What was found, as text. */
  readonly found: string;
}

/** Describes the outcome in one sentence. */
export function describeExpected({ expectation, outcome, found }: Expected): string {
  const words = { met: "met", "not-met": "NOT MET", "could-not-tell": "could not tell" };
  return `expected ${expectation}: ${words[outcome]}${outcome === "met" ? "" : ` (${found})`}`;
}

/** Traces that a service of the platform started itself during the run. */
export interface OwnTraces {
  readonly service: string;
  readonly traces: number;
  /** Whether the query limit was reached, so that there may be more. */
  readonly isLimited: boolean;
  /** The place that fits their times, as in `Platform.calls`; `null` if none does. */
  readonly edge: string | null;
  /** Number of calls at that place in the whole run, estimated from the traces read. */
  readonly calls: number | null;
  /** Whether there are as many traces as calls on the edge, so that other traffic is not their cause. */
  readonly isOfRun: boolean;
}

/** Describes the traces in one sentence. */
export function describeOwnTraces({ service, traces, isLimited, edge, calls, isOfRun }: OwnTraces): string {
  const recorded = `${service} recorded ${isLimited ? "at least " : ""}${traces} ${traces === 1 ? "trace" : "traces"} of its own`;
  if (edge !== null && isOfRun) return `${recorded} on ${edge}: it does not read W3C context`;
  const beside = edge === null || calls === null ? "" : `, beside ${calls} calls on ${edge}`;
  return `${recorded} during the run${beside}: it does not read W3C context, or other traffic passed through it`;
}

export interface Survey extends Platform {
  /** Traces that services of the platform started themselves during the run. */
  readonly ownTraces: readonly OwnTraces[];
  readonly expected: readonly Expected[];
}
