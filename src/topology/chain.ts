import {
  type Behavior,
  CALL_TIMEOUT_MS,
  DEFAULT_RETRY,
  type Distribution,
  PLAIN_BEHAVIOUR,
  PLAIN_CALL,
  type RetryPolicy,
  type Service,
  SLOW_REQUEST_MS,
  type Topology,
} from "./model.ts";

export interface ChainOptions {
  readonly name?: string;
  /** Each link draws the original's slow request (2 s) with probability 1/N. @default true */
  readonly slow?: boolean;
  /** Behavior of every link. @default none */
  readonly behavior?: Behavior;
  readonly replicas?: number;
  /** Timeout of each call. @default 3 s for every link below the caller */
  readonly timeoutMs?: number;
  readonly retries?: number;
  readonly retry?: RetryPolicy;
  /** Size of each call's request body, in bytes. @default no body */
  readonly request?: Distribution | null;
}

/** The original's name for a link: `chain-link-service-<i>`. */
function chainServiceName(instance: number): string {
  return `chain-link-service-${instance}`;
}

/** A plain chain of `instances` links, each of which calls the next. */
export function buildChain(instances: number, options: ChainOptions = {}): Topology {
  return chainOf(
    Array.from({ length: instances }, (_, instance) => chainServiceName(instance)),
    options,
  );
}

/**
 * A chain of the given services, in their order. A call may take 3 s for every link below the caller,
 * so that slow requests (2 s each) never add up to a timeout.
 */
export function chainOf(names: readonly string[], options: ChainOptions = {}): Topology {
  const slow =
    (options.slow ?? true) && names.length > 0
      ? Object.freeze({ probability: 1 / names.length, delayMs: SLOW_REQUEST_MS })
      : null;
  const behavior = Object.freeze({ ...(options.behavior ?? PLAIN_BEHAVIOUR), slow });
  const services = new Map<string, Service>();
  for (const [position, name] of names.entries()) {
    const next = names[position + 1];
    const linksBelow = names.length - 1 - position;
    const timeoutMs = options.timeoutMs ?? CALL_TIMEOUT_MS * linksBelow;
    const call = (service: string) =>
      Object.freeze({
        ...PLAIN_CALL,
        service,
        timeoutMs,
        retries: options.retries ?? 0,
        retry: options.retry ?? DEFAULT_RETRY,
        request: options.request ?? null,
      });
    const steps = next === undefined ? [] : [Object.freeze([call(next)])];
    services.set(
      name,
      Object.freeze({ name, replicas: options.replicas ?? 1, behavior, steps: Object.freeze(steps) }),
    );
  }
  return Object.freeze({
    name: options.name ?? "chain-link",
    kind: "chain",
    entry: names[0] ?? "",
    services,
  });
}
