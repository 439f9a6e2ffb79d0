import { parseDuration } from "../lib/duration.ts";
import { parseSize } from "../lib/size.ts";
import { type ActionEntry, type Defaults, readFraction, type ServiceEntry } from "./document.ts";
import {
  type Behavior,
  type Call,
  type Concurrency,
  DEFAULT_RETRY,
  type Distribution,
  type ErrorRule,
  type Latency,
  PLAIN_BEHAVIOUR,
  type PodSettings,
  type RateLimit,
  type RetryPolicy,
  type Service,
  type Sleep,
} from "./model.ts";
import type { DistributionEntry } from "./values.ts";

/** Builds parts of the model from document entries that passed the schema. */

/** Default queue length, the same as Envoy's `max_pending_requests`. */
const DEFAULT_QUEUE = 1024;
/** The default of Linkerd's `minRetriesPerSecond`. */
const DEFAULT_RETRIES_PER_SECOND = 10;
const DEFAULT_SLOWNESS = 10;
const TOO_MANY_REQUESTS = 429;

/** `callTimeoutOf` gives the default timeout of a call to a service. */
export function buildService(
  name: string,
  entry: ServiceEntry,
  defaults: Defaults,
  callTimeoutOf: (service: string) => number,
): Service {
  const build = (action: ActionEntry) => buildAction(action, defaults, callTimeoutOf);
  const steps = (entry.calls ?? []).map((step) =>
    Object.freeze(Array.isArray(step) ? step.map(build) : [build(step)]),
  );
  return Object.freeze({
    name,
    replicas: entry.replicas ?? defaults.replicas ?? 1,
    behavior: buildBehavior({ ...defaults, ...entry }),
    steps: Object.freeze(steps),
    ...(entry.pods === undefined ? {} : { pods: buildPods(entry.pods) }),
  });
}

export function buildPods(entry: NonNullable<Defaults["pods"]>): PodSettings {
  const { tolerations = [] } = entry;
  return Object.freeze({
    imagePullSecrets: entry.imagePullSecrets ?? [],
    nodeSelector: entry.nodeSelector ?? {},
    annotations: entry.annotations ?? {},
    labels: entry.labels ?? {},
    requests: entry.requests ?? {},
    limits: entry.limits ?? {},
    runAsUser: entry.runAsUser ?? null,
    tolerations: tolerations.map(({ key, value, operator, effect }) => ({
      key,
      operator: operator ?? (value === undefined ? "Exists" : "Equal"),
      ...(value === undefined ? {} : { value }),
      ...(effect === undefined ? {} : { effect }),
    })),
  });
}

function buildAction(
  entry: ActionEntry,
  defaults: Defaults,
  callTimeoutOf: (service: string) => number,
): Call | Sleep {
  if (typeof entry === "object" && "sleep" in entry) {
    return Object.freeze({ sleep: Object.freeze(readTimes(entry.sleep)) });
  }
  const given = typeof entry === "string" ? { service: entry } : entry;
  const timeout = given.timeout ?? defaults.timeout;
  return Object.freeze({
    service: given.service,
    probability: given.probability === undefined ? 1 : readFraction(given.probability),
    timeoutMs: timeout === undefined ? callTimeoutOf(given.service) : readMs(timeout),
    retries: given.retries ?? defaults.retries ?? 0,
    retry: buildRetry({ ...defaults, ...given }),
    request: buildSizes(given.request ?? defaults.request),
  });
}

export function buildRetry({ retryOn, backoff, retryBudget }: Omit<Defaults, "latency">): RetryPolicy {
  if (retryOn === undefined && backoff === undefined && retryBudget === undefined) return DEFAULT_RETRY;
  return Object.freeze({
    on: Object.freeze(retryOn === undefined ? DEFAULT_RETRY.on : [...retryOn]),
    backoffMs: backoff === undefined ? 0 : readMs(backoff),
    budget: retryBudget === undefined ? null : buildBudget(retryBudget),
  });
}

function buildBudget(entry: NonNullable<Defaults["retryBudget"]>): RetryPolicy["budget"] {
  const { ratio, minPerSecond } = typeof entry === "object" ? entry : { ratio: entry };
  return Object.freeze({
    ratio: readFraction(ratio),
    minPerSecond: minPerSecond ?? DEFAULT_RETRIES_PER_SECOND,
  });
}

export function buildBehavior(entry: Defaults | ServiceEntry): Behavior {
  return Object.freeze({
    latency: buildOccasional(entry.latency),
    cpu: buildOccasional(entry.cpu),
    errors: entry.errors === undefined ? PLAIN_BEHAVIOUR.errors : Object.freeze(buildFaults(entry.errors)),
    response: buildSizes(entry.response),
    memory: entry.memory === undefined ? PLAIN_BEHAVIOUR.memory : Object.freeze(buildMemory(entry.memory)),
    concurrency: entry.concurrency === undefined ? null : Object.freeze(buildConcurrency(entry.concurrency)),
    rateLimit: entry.rateLimit === undefined ? null : Object.freeze(buildRateLimit(entry.rateLimit)),
    startupMs: entry.startup === undefined ? 0 : readMs(entry.startup),
    slowStart: entry.slowStart === undefined ? null : Object.freeze(buildSlowStart(entry.slowStart)),
    slow: null,
  });
}

function buildOccasional(entry: Defaults["latency"]): Latency | null {
  if (entry === undefined) return null;
  const given = typeof entry === "string" ? undefined : entry.probability;
  return Object.freeze({
    ...readTimes(entry),
    probability: given === undefined ? 1 : readFraction(given),
  });
}

function buildFaults(entry: NonNullable<Defaults["errors"]>): ErrorRule[] {
  if (typeof entry !== "object") {
    return [Object.freeze({ kind: "status", rate: readFraction(entry), status: 500, after: null })];
  }
  return (Array.isArray(entry) ? entry : [entry]).map(({ rate, kind = "status", status = 500, after }) => {
    const base = {
      rate: readFraction(rate),
      after: after === undefined ? null : Object.freeze(readTimes(after)),
    };
    return Object.freeze(kind === "status" ? { ...base, kind, status } : { ...base, kind });
  });
}

function buildMemory(entry: NonNullable<Defaults["memory"]>): Behavior["memory"] {
  const { held = "0", perRequest = "0" } =
    typeof entry === "string" ? { held: entry } : (entry as { held?: string; perRequest?: string });
  return { heldBytes: readBytes(held), requestBytes: readBytes(perRequest) };
}

function buildConcurrency(entry: NonNullable<Defaults["concurrency"]>): Concurrency {
  if (typeof entry === "number") return { limit: entry, queue: DEFAULT_QUEUE, waitMs: null };
  const { limit, queue = DEFAULT_QUEUE, wait } = entry;
  return { limit, queue, waitMs: wait === undefined ? null : readMs(wait) };
}

function buildRateLimit(entry: NonNullable<Defaults["rateLimit"]>): RateLimit {
  const { perSecond, burst, status } = typeof entry === "number" ? { perSecond: entry } : entry;
  return {
    perSecond,
    burst: burst ?? Math.ceil(perSecond),
    status: status ?? TOO_MANY_REQUESTS,
  };
}

function buildSlowStart(entry: NonNullable<Defaults["slowStart"]>): NonNullable<Behavior["slowStart"]> {
  if (typeof entry === "string") return { durationMs: readMs(entry), factor: DEFAULT_SLOWNESS };
  return { durationMs: readMs(entry.for), factor: entry.factor ?? DEFAULT_SLOWNESS };
}

export function buildSizes(entry: Defaults["response"]): Distribution | null {
  return entry === undefined ? null : Object.freeze(buildDistribution(entry, readBytes));
}

function readTimes(entry: string | DistributionEntry): Distribution {
  return buildDistribution(entry, readMs);
}

function buildDistribution(entry: string | DistributionEntry, read: (text: string) => number): Distribution {
  if (typeof entry === "string") return { kind: "fixed", value: read(entry) };
  const { fixed, p50, p90, p99, uniform, normal, lognormal, exponential } = entry;
  if (uniform !== undefined) return { kind: "uniform", min: read(uniform[0]), max: read(uniform[1]) };
  if (normal !== undefined) {
    return { kind: "normal", mean: read(normal.mean), deviation: read(normal.deviation) };
  }
  if (lognormal !== undefined) {
    return { kind: "lognormal", mean: read(lognormal.mean), deviation: read(lognormal.deviation) };
  }
  if (exponential !== undefined) return { kind: "exponential", mean: read(exponential) };
  if (p50 === undefined) return { kind: "fixed", value: read(fixed ?? "0") };
  const readOptional = (text: string | undefined) => (text === undefined ? null : read(text));
  return { kind: "quantiles", p50: read(p50), p90: readOptional(p90), p99: readOptional(p99) };
}

function readMs(text: string): number {
  return parseDuration(text) ?? 0;
}

function readBytes(text: string): number {
  return parseSize(text) ?? 0;
}
