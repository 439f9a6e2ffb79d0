import type { Expected, Survey } from "./platform.ts";
import type { ResultHead } from "./result-head.ts";
import type { TraceClass } from "./trace-class.ts";
import type { UnknownCauses } from "./unknown-causes.ts";

export interface LinkLoss {
  server: number;
  client: number;
  altered: number;
  copies: number;
}

/** Calls of one edge that failed in the same way. */
export interface FailedCall {
  /** As in `edges`: `from > to`. */
  readonly edge: string;
  /** In words, as of what the edge did. */
  readonly reason: string;
  readonly calls: number;
  /** Of these, how many were followed by another attempt. */
  readonly retried: number;
}

/** Why spans are missing. */
export type LossReason =
  /** Counted by the link itself: `chain_link_spans_dropped_total`. */
  | "queue_full"
  | "rejected"
  | "unavailable"
  | "shutdown"
  /** Still in the link's queue. */
  | "on_the_way"
  /** Counted by the backend as not stored. */
  | "refused"
  /** The link no longer answers. */
  | "link_gone"
  /** A new process answers for the link. */
  | "restarted_or_several_replicas"
  /** Counted by the backend as evicted. */
  | "evicted"
  /** The backend restarted and lost what it had stored. */
  | "backend_restarted"
  /** The backend no longer has traces that it had, and does not tell why. */
  | "backend_restarted_or_evicted"
  /** The links sent them successfully, but the backend counted fewer. */
  | "never_received"
  /** The backend accepted them but does not have them. */
  | "not_stored"
  /** One of these two. The backend counts copies as well, or may have restarted its counters. */
  | "never_received_or_not_stored"
  /** No counters were available. */
  | "unexplained"
  | StageReason;

/** Why a collector before the backend has not handed spans on. */
export type StageReason =
  /** Whoever sent them got a good answer, but the collector counted fewer. */
  | "never_received"
  /** An exporter gave them up, or its queue was full. */
  | "export_failed"
  /** The collector was restarted and lost what it held, or does not answer any more. */
  | "collector_restarted"
  | "collector_gone"
  /** Its queue is not empty. */
  | "in_collector_queue"
  /** Its samplers decided not to keep them. */
  | "sampled_out"
  /** Its tail sampler evicted traces before it decided on them. */
  | "sampler_overflow"
  | "sampled_out_or_sampler_overflow"
  /** It accepted them, and its exporters saw fewer. */
  | "dropped_in_collector"
  /** A receiver answered with an error, and nothing tells whether they were sent again. */
  | "refused_by_collector";

export interface Loss {
  readonly link: string | null;
  /** The collector between links and backend, for people. @default none */
  readonly stage?: string;
  readonly reason: LossReason;
  readonly spans: number;
}

/** The answer to "did every span arrive?" when no loss is allowed. */
export type StrictOutcome = "complete" | "incomplete" | "could-not-tell";

/** The same answer when some loss is allowed. */
export type Outcome = StrictOutcome | "within-allowed-loss";

/** The output of `verify -o json`. Times are in milliseconds. */
export interface VerifyResult extends ResultHead {
  readonly outcome: Outcome;
  /** Why the outcome is `could-not-tell`; otherwise `null`. */
  readonly doubt: string | null;
  readonly run: string;
  /** What else must be known about the traces, in sentences; absent if there is nothing. */
  readonly notes?: readonly string[];
  readonly requests: number;
  readonly traces: Readonly<Record<TraceClass, number>>;
  /** Number of `unknown` traces by cause. */
  readonly unknownCauses: UnknownCauses;
  readonly spans: {
    readonly expected: number;
    readonly missing: number;
    readonly unattributed: number;
    readonly altered: number;
    readonly copies: number;
    readonly unexpected: number;
    readonly foreign: number;
    /** Of the expected ones, those of traces that were sampled out as a whole. */
    readonly sampledOut: number;
  };
  readonly links: Readonly<Record<string, LinkLoss>>;
  readonly edges: Readonly<Record<string, number>>;
  /** All known edges, as in `edges`: the graph on which losses are drawn. */
  readonly calls: readonly string[];
  readonly brokenContexts: Readonly<Record<string, number>>;
  /** What the platform recorded; `null` if it was not surveyed. */
  readonly platform: Survey | null;
  /** Calls without an answer from their callee in traces that are proved nevertheless, most frequent first. */
  readonly failedCalls: readonly FailedCall[];
  readonly samplingIgnoredBy: Readonly<Record<string, number>>;
  /** What a sampling pipeline kept; `null` where it was not allowed to sample. */
  readonly sampling: Sampling | null;
  readonly losses: readonly Loss[];
  /** `null` if no request ended while the backend was watched. */
  readonly exportLatencyMs: ExportLatency | null;
  /** The seconds of the run in order, with the requests that ended and their missing spans. */
  readonly seconds: readonly {
    readonly time: number;
    readonly requests: number;
    readonly missing: number;
  }[];
  readonly examples: readonly ExampleResult[];
}

/** How many traces of some requests a sampling pipeline kept. */
export interface KeptShare {
  readonly requests: number;
  readonly kept: number;
}

/** Requests with an answer of one kind, by latency. */
export interface KeptGroup extends KeptShare {
  /** `errors`: a status from 400 on, or no answer. */
  readonly answer: "errors" | "others";
  /** Upper bound of the latency, from the series 1, 2, 5, 10 …; `null` where the ledger does not tell. */
  readonly upToMs: number | null;
}

/** What a sampling pipeline kept of the requests whose spans were recorded. */
interface Sampling extends KeptShare {
  /** Spans of absent traces that counters prove to be lost, and not left out on purpose. They are in `spans.missing`, too. */
  readonly lostSpans: number;
  /** By answer and latency. */
  readonly groups: readonly KeptGroup[];
  readonly expected: readonly Expected[];
}

/** Time from the end of a request until its trace was seen complete. */
export interface ExportLatency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  /**
   * Histogram of traces by latency, lowest first. Each bucket counts traces above the previous bucket and up
   * to `upToMs`.
   */
  readonly buckets: readonly { readonly upToMs: number; readonly count: number }[];
}

export interface ExampleResult {
  readonly traceId: string;
  readonly class: TraceClass;
  readonly certainty: string;
  readonly page: string | null;
  readonly findings: readonly string[];
}
