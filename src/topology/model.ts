/** What a link does with a request besides calling others. Times in milliseconds, sizes in bytes. */
export interface Behaviour {
  /** Time that passes before the calls are made. */
  readonly latency: Latency | null;
  /** The share of requests answered with an error status instead of being served. */
  readonly errors: { readonly rate: number; readonly status: number } | null;
  /** Busy work on the processor for each request. */
  readonly cpuMs: number;
  /** Size to which the answer's body is padded; 0 leaves it as it is. */
  readonly responseBytes: number;
  /** The original's slow request: with this probability a request waits that long. Plain chains only. */
  readonly slow: { readonly probability: number; readonly delayMs: number } | null;
}

/** A distribution of times, and the share of requests (0 to 1) that wait at all. */
export type Latency = Distribution & { readonly probability: number };

/** Draws below 0 count as 0. */
export type Distribution =
  | { readonly kind: "fixed"; readonly ms: number }
  | { readonly kind: "uniform"; readonly minMs: number; readonly maxMs: number }
  | { readonly kind: "normal"; readonly meanMs: number; readonly deviationMs: number }
  /** Mean and standard deviation are those of the times, not of their logarithms. */
  | { readonly kind: "lognormal"; readonly meanMs: number; readonly deviationMs: number }
  | { readonly kind: "exponential"; readonly meanMs: number }
  /** Passes exactly through the given quantiles; log-normal between and beyond them. */
  | {
      readonly kind: "quantiles";
      readonly p50Ms: number;
      readonly p90Ms: number | null;
      readonly p99Ms: number | null;
    };

/** One call of a link to another. */
export interface Call {
  readonly service: string;
  /** Chance (0 to 1) that the call is made at all. */
  readonly probability: number;
  /** Total deadline of one attempt, with everything that happens below it. */
  readonly timeoutMs: number;
  /** Attempts after the first, made when an attempt got no answer or a 5xx. */
  readonly retries: number;
}

/** Calls made at the same time; steps follow one another. Most steps hold one call. */
export type Step = readonly Call[];

export interface Service {
  readonly name: string;
  readonly replicas: number;
  readonly behaviour: Behaviour;
  readonly steps: readonly Step[];
}

/** Which services exist, how they behave and whom they call: complete, checked and frozen. */
export interface Topology {
  readonly name: string;
  /** A plain chain keeps the original's names in Kubernetes and draws slow requests. */
  readonly kind: "chain" | "graph";
  /** Name of the service that requests from outside go to. */
  readonly entry: string;
  /** By name, in the order of the document. */
  readonly services: ReadonlyMap<string, Service>;
}

/** Limit of a call for every link still below the caller. */
export const CALL_TIMEOUT_MS = 3000;

/** How long the original's slow request takes. */
export const SLOW_REQUEST_MS = 2000;

/** Links of a chain when nobody says how many, as in the original. */
export const DEFAULT_INSTANCES = 3;

/** More than this cannot be numbered sensibly or held by one machine. */
export const MAX_SERVICES = 100_000;

/** A link that answers at once. */
export const PLAIN_BEHAVIOUR: Behaviour = Object.freeze({
  latency: null,
  errors: null,
  cpuMs: 0,
  responseBytes: 0,
  slow: null,
});
