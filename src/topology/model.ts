/** What a link does with a request besides calling others. Times in milliseconds, sizes in bytes. */
export interface Behavior {
  /** Delay before the link makes its calls. */
  readonly latency: Latency | null;
  /** CPU time that each request burns, in milliseconds of an otherwise idle processor. */
  readonly cpu: Latency | null;
  /** How requests fail instead of being served; the rates add up to at most 1. */
  readonly errors: readonly ErrorRule[];
  /** Size of the body of the link's own answer; `null` does not change it. */
  readonly response: Distribution | null;
  /** Bytes that the link holds all the time, and for each request in flight. */
  readonly memory: { readonly heldBytes: number; readonly requestBytes: number };
  readonly concurrency: Concurrency | null;
  readonly rateLimit: RateLimit | null;
  /** For this long after its start a link is not ready and answers 503. */
  readonly startupMs: number;
  /** Latency and CPU time start out multiplied by `factor`, which falls to 1 within `durationMs` after the link is ready. */
  readonly slowStart: { readonly durationMs: number; readonly factor: number } | null;
  /** The original's slow request: with this probability a request is delayed by `delayMs`. Plain chains only. */
  readonly slow: { readonly probability: number; readonly delayMs: number } | null;
}

/** A distribution of times, and the share of requests (0 to 1) to which it applies. */
export type Latency = Distribution & { readonly probability: number };

/** In milliseconds or bytes, depending on the field. Draws below 0 count as 0. */
export type Distribution =
  | { readonly kind: "fixed"; readonly value: number }
  | { readonly kind: "uniform"; readonly min: number; readonly max: number }
  | { readonly kind: "normal"; readonly mean: number; readonly deviation: number }
  /** Mean and standard deviation are those of the values, not of their logarithms. */
  | { readonly kind: "lognormal"; readonly mean: number; readonly deviation: number }
  | { readonly kind: "exponential"; readonly mean: number }
  /** Passes exactly through the given quantiles; log-normal between and beyond them. */
  | {
      readonly kind: "quantiles";
      readonly p50: number;
      readonly p90: number | null;
      readonly p99: number | null;
    };

/** One way in which requests fail. */
export type ErrorRule = {
  /** Share (0 to 1) of all requests. */
  readonly rate: number;
  /** Milliseconds until the failure, instead of latency and CPU work; `null`: fail after those. */
  readonly after: Distribution | null;
} & (
  | { readonly kind: "status"; readonly status: number }
  /** The connection is reset. */
  | { readonly kind: "reset" }
  /** The link never answers. */
  | { readonly kind: "silence" }
);

export type ErrorRuleKind = ErrorRule["kind"];

/** How many requests are served concurrently. Others wait in a queue; when the queue is full, they get 503. */
export interface Concurrency {
  readonly limit: number;
  /** Maximum length of the queue. */
  readonly queue: number;
  /** Maximum time in the queue before 503; `null`: no limit. */
  readonly waitMs: number | null;
}

/** How many requests are admitted per second; others are answered with `status`. */
export interface RateLimit {
  readonly perSecond: number;
  /** Maximum number of requests admitted at once after a pause. */
  readonly burst: number;
  readonly status: number;
}

/** One call of a link to another. */
export interface Call {
  readonly service: string;
  /** Probability (0 to 1) that the call is made at all. */
  readonly probability: number;
  /** Deadline of one attempt, including everything that happens below it. */
  readonly timeoutMs: number;
  /** Maximum attempts after the first. */
  readonly retries: number;
  readonly retry: RetryPolicy;
  /** Size of the request body, which makes the call a POST; `null`: a GET without a body. */
  readonly request: Distribution | null;
}

/** Which failed attempts are retried, when, and how many in total. */
export interface RetryPolicy {
  readonly on: readonly RetryCondition[];
  /** Before retry i the link waits a random time up to `backoffMs` × 2^(i-1), at most {@link MAX_BACKOFF_FACTOR} × `backoffMs`. */
  readonly backoffMs: number;
  /** Limits retries to a share of the call's requests in the last seconds; `minPerSecond` are always allowed. */
  readonly budget: { readonly ratio: number; readonly minPerSecond: number } | null;
}

/** Any 5xx status, a timeout, any other missing answer, or one particular status. */
type RetryCondition = "5xx" | "timeout" | "disconnect" | number;

/** A pause between calls. */
export interface Sleep {
  /** Milliseconds. */
  readonly sleep: Distribution;
}

/** Concurrent calls; the steps of a service follow one another. Most steps hold one call. */
export type Step = readonly (Call | Sleep)[];

export function isCall(action: Call | Sleep): action is Call {
  return "service" in action;
}

type Texts = Readonly<Record<string, string>>;

/** https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/ */
export interface Toleration {
  readonly key: string;
  readonly operator: "Equal" | "Exists";
  readonly value?: string;
  readonly effect?: string;
  readonly [field: string]: string | undefined;
}

/** Settings that a cluster may require of pods; empty if it requires nothing. */
export interface PodSettings {
  readonly imagePullSecrets: readonly string[];
  readonly nodeSelector: Texts;
  readonly tolerations: readonly Toleration[];
  readonly annotations: Texts;
  readonly labels: Texts;
  /** Override the resources that links have by default: `cpu`, `memory`. */
  readonly requests: Texts;
  readonly limits: Texts;
  /** `null`: the default user id. `"none"`: the cluster chooses, as OpenShift's restricted SCC requires. */
  readonly runAsUser: number | "none" | null;
}

/** Whether Services and releases select pods by this label, so that users must not set it. */
export function isReservedLabel(key: string): boolean {
  return /^(app|instance|instance-name|service|service-name|pod-template-hash)$|^(app|applyset)\.kubernetes\.io\//.test(
    key,
  );
}

export interface Service {
  readonly name: string;
  /** Settings of this service's pods in Kubernetes; they override the topology's. @default none */
  readonly pods?: PodSettings;
  readonly replicas: number;
  readonly behavior: Behavior;
  readonly steps: readonly Step[];
}

/** Which services exist, how they behave and whom they call: complete, checked and frozen. */
export interface Topology {
  readonly name: string;
  /** A plain chain keeps the original's names in Kubernetes and draws slow requests. */
  readonly kind: "chain" | "graph";
  /** Settings of all pods in Kubernetes. @default none */
  readonly pods?: PodSettings;
  /** The service that receives requests from outside. */
  readonly entry: string;
  /** By name, in document order. */
  readonly services: ReadonlyMap<string, Service>;
}

/** Default timeout of a call, for each link below the caller. */
export const CALL_TIMEOUT_MS = 3000;

/** Delay of the original's slow request. */
export const SLOW_REQUEST_MS = 2000;

/** Default number of links of a chain, as in the original. */
export const DEFAULT_INSTANCES = 3;

/** More services cannot be numbered sensibly or run on one machine. */
export const MAX_SERVICES = 100_000;

/** The backoff of a retry grows to at most this many times the first. */
export const MAX_BACKOFF_FACTOR = 10;

/** Largest request body that a call sends and a link accepts. */
export const MAX_REQUEST_BYTES = 16 * 1024 ** 2;

/** Largest response body that a link sends and its callers accept. */
export const MAX_RESPONSE_BYTES = 64 * 1024 ** 2;

/** Every failed attempt is retried immediately, up to the call's number of `retries`. */
export const DEFAULT_RETRY: RetryPolicy = Object.freeze({
  on: Object.freeze(["5xx", "timeout", "disconnect"] as const),
  backoffMs: 0,
  budget: null,
});

/** The optional settings of a call, with their defaults. */
export const PLAIN_CALL = Object.freeze({ probability: 1, retries: 0, retry: DEFAULT_RETRY, request: null });

const NO_MEMORY = Object.freeze({ heldBytes: 0, requestBytes: 0 });

/** A link that answers immediately. */
export const PLAIN_BEHAVIOUR: Behavior = Object.freeze({
  latency: null,
  cpu: null,
  errors: Object.freeze([]),
  response: null,
  memory: NO_MEMORY,
  concurrency: null,
  rateLimit: null,
  startupMs: 0,
  slowStart: null,
  slow: null,
});
