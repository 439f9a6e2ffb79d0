/** What a link does with a request besides calling others. Times in milliseconds, sizes in bytes. */
export interface Behavior {
  /** Time that passes before the calls are made. */
  readonly latency: Latency | null;
  /** Busy work on the processor for each request, in undisturbed milliseconds. */
  readonly cpu: Latency | null;
  /** How requests fail instead of being served; the rates add up to 1 at most. */
  readonly errors: readonly ErrorRule[];
  /** Size of the body of the link's own answer; `null` leaves it as it is. */
  readonly response: Distribution | null;
  /** Bytes that the link holds all the time, and for each request under way. */
  readonly memory: { readonly heldBytes: number; readonly requestBytes: number };
  readonly concurrency: Concurrency | null;
  readonly rateLimit: RateLimit | null;
  /** How long after its start a link says that it is not ready, and answers 503. */
  readonly startupMs: number;
  /** From then on latency and processor time are `factor` times what they are, less and less for `durationMs`. */
  readonly slowStart: { readonly durationMs: number; readonly factor: number } | null;
  /** The original's slow request: with this probability a request waits that long. Plain chains only. */
  readonly slow: { readonly probability: number; readonly delayMs: number } | null;
}

/** A distribution of times, and the share of requests (0 to 1) that take any at all. */
export type Latency = Distribution & { readonly probability: number };

/** In milliseconds or bytes, as its owner says. Draws below 0 count as 0. */
export type Distribution =
  | { readonly kind: "fixed"; readonly value: number }
  | { readonly kind: "uniform"; readonly min: number; readonly max: number }
  | { readonly kind: "normal"; readonly mean: number; readonly deviation: number }
  /** Mean and standard deviation are those of what is drawn, not of its logarithm. */
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
  /** When it fails, in milliseconds, instead of latency and processor work; `null`: after these. */
  readonly after: Distribution | null;
} & (
  | { readonly kind: "status"; readonly status: number }
  /** The connection is reset. */
  | { readonly kind: "reset" }
  /** No answer ever, until the caller gives up. */
  | { readonly kind: "silence" }
);

export type ErrorRuleKind = ErrorRule["kind"];

/** How many requests are served at a time. Further ones wait in line; who finds the line full is answered 503. */
export interface Concurrency {
  readonly limit: number;
  /** Places in the line. */
  readonly queue: number;
  /** Longest time in the line, then 503; `null`: no limit. */
  readonly waitMs: number | null;
}

/** How many requests are taken a second; further ones are answered with `status`. */
export interface RateLimit {
  readonly perSecond: number;
  /** So many are taken at once after a pause. */
  readonly burst: number;
  readonly status: number;
}

/** One call of a link to another. */
export interface Call {
  readonly service: string;
  /** Chance (0 to 1) that the call is made at all. */
  readonly probability: number;
  /** Total deadline of one attempt, with everything that happens below it. */
  readonly timeoutMs: number;
  /** Attempts after the first. */
  readonly retries: number;
  readonly retry: RetryPolicy;
  /** Bytes of the request's body, which makes it a POST; `null`: a GET without one. */
  readonly request: Distribution | null;
}

/** Which attempts are repeated, when, and how many of them altogether. */
export interface RetryPolicy {
  readonly on: readonly RetryCondition[];
  /** Before retry i a random time up to this times 2^(i-1) passes, {@link MAX_BACKOFF_FACTOR} times this at most. */
  readonly backoffMs: number;
  /** Retries may be this share of the call's requests of the last seconds, and so many a second in any case. */
  readonly budget: { readonly ratio: number; readonly minPerSecond: number } | null;
}

/** A status of 5xx, no answer in time, no answer for another reason, or one status. */
export type RetryCondition = "5xx" | "timeout" | "disconnect" | number;

/** Time that passes between calls. */
export interface Sleep {
  /** Milliseconds. */
  readonly sleep: Distribution;
}

/** Calls made at the same time; steps follow one another. Most steps hold one call. */
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

/** What a cluster may require of pods; empty where it requires nothing. */
export interface PodSettings {
  readonly imagePullSecrets: readonly string[];
  readonly nodeSelector: Texts;
  readonly tolerations: readonly Toleration[];
  readonly annotations: Texts;
  readonly labels: Texts;
  /** Of links, over what they get otherwise: `cpu`, `memory`. */
  readonly requests: Texts;
  readonly limits: Texts;
  /** `null`: those of the images' pods. `"none"`: the cluster chooses, as OpenShift's restricted SCC wants it. */
  readonly runAsUser: number | "none" | null;
}

/** A label by which Services and releases choose pods: nobody else may set it. */
export function isReservedLabel(key: string): boolean {
  return /^(app|instance|instance-name|service|service-name|pod-template-hash)$|^(app|applyset)\.kubernetes\.io\//.test(
    key,
  );
}

export interface Service {
  readonly name: string;
  /** Of its own pods in Kubernetes, over those of the topology. @default none */
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
  /** Of all pods in Kubernetes. @default none */
  readonly pods?: PodSettings;
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

/** Backoff of a retry grows up to so many times the first. */
export const MAX_BACKOFF_FACTOR = 10;

/** Largest body that a call sends and a link takes. */
export const MAX_REQUEST_BYTES = 16 * 1024 ** 2;

/** Largest body that a link answers, and its callers take. */
export const MAX_RESPONSE_BYTES = 64 * 1024 ** 2;

/** Every attempt without a good answer is repeated at once, as often as the call's `retries` say. */
export const DEFAULT_RETRY: RetryPolicy = Object.freeze({
  on: Object.freeze(["5xx", "timeout", "disconnect"] as const),
  backoffMs: 0,
  budget: null,
});

/** A call that says only whom and how long. */
export const PLAIN_CALL = Object.freeze({ probability: 1, retries: 0, retry: DEFAULT_RETRY, request: null });

const NO_MEMORY = Object.freeze({ heldBytes: 0, requestBytes: 0 });

/** A link that answers at once. */
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
