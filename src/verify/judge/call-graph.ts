import { type Behavior, isCall, type RetryPolicy, type Topology } from "../../topology/model.ts";
import type { SeenSpan } from "./seen-span.ts";

/**
 * The calls between services, as far as they determine the spans of a request. Names are as in spans: lower
 * case, no port.
 */
export interface CallGraph {
  readonly entry: string;
  readonly services: ReadonlyMap<string, GraphService>;
}

export interface GraphService {
  readonly name: string;
  readonly steps: readonly (readonly GraphCall[])[];
  /** Statuses that the service may answer without making a call. */
  readonly ownErrors: readonly number[];
}

export interface GraphCall {
  readonly service: string;
  /** Whether every successful request makes this call. */
  readonly isCertain: boolean;
  readonly retries: number;
  /** The call may be repeated whatever its answer: learned graphs know how often, not why. @default false */
  readonly isMadeAgain?: boolean;
  /** Whether an attempt with this status is retried; `null` is no answer. */
  readonly repeats: (status: number | null) => "always" | "perhaps" | "never";
  /** Callees of later steps that may be called even though this call failed. @default none */
  readonly despite?: ReadonlySet<string>;
}

/** Status of an injected error. */
const FAULT = 500;
/** Statuses that an overloaded or starting link answers. */
const OVERLOADED = 503;

/** @param hasFaults whether any link may also fail with an injected error */
export function graphOf(topology: Topology, hasFaults = false): CallGraph {
  const services = new Map<string, GraphService>();
  for (const { name, steps, behavior } of topology.services.values()) {
    services.set(spanNameOf(name), {
      name: spanNameOf(name),
      steps: steps.map((step) =>
        step.filter(isCall).map(({ service, probability, retries, retry }) => ({
          service: spanNameOf(service),
          isCertain: probability >= 1,
          retries,
          repeats: repeatsOf(retry),
        })),
      ),
      ownErrors: [...new Set([...ownErrorsOf(behavior), ...(hasFaults ? [FAULT] : [])])],
    });
  }
  return { entry: spanNameOf(topology.entry), services };
}

function ownErrorsOf({ errors, concurrency, rateLimit, startupMs, memory }: Behavior): number[] {
  const statuses = new Set(errors.flatMap((fault) => (fault.kind === "status" ? [fault.status] : [])));
  if (concurrency !== null || startupMs > 0 || memory.requestBytes > 0) statuses.add(OVERLOADED);
  if (rateLimit !== null) statuses.add(rateLimit.status);
  return [...statuses];
}

function repeatsOf({ on, budget }: RetryPolicy): GraphCall["repeats"] {
  return (status) => {
    const isAsked =
      status === null
        ? on.includes("timeout") || on.includes("disconnect")
        : on.includes(status) || (status >= 500 && on.includes("5xx"));
    if (!isAsked) return "never";
    const isSure =
      budget === null && (status !== null || (on.includes("timeout") && on.includes("disconnect")));
    return isSure ? "always" : "perhaps";
  };
}

/** An entry of a services list may be `host:port`; spans carry only the host. */
function spanNameOf(service: string): string {
  return service.replace(/:\d+$/, "").toLowerCase();
}

interface LearnedCall {
  /** Number of successful requests with this call. */
  requests: number;
  /** Maximum number of retries seen. */
  retries: number;
  /** A retry followed an attempt that had succeeded. */
  isMadeAgain: boolean;
  /** Sum of the delays from the start of the request to the call. It gives the order of calls. */
  offsetUs: number;
  /** Other callees of requests in which this call failed. */
  readonly despite: Set<string>;
}

interface LearnedCalls {
  successes: number;
  readonly callees: Map<string, LearnedCall>;
  readonly ownErrors: Set<number>;
}

/**
 * Learns a graph from traces that are proved complete, for runs without a topology. It contains only what a
 * complete trace has shown.
 */
export class GraphLearner {
  readonly #services = new Map<string, LearnedCalls>();
  readonly #entries = new Map<string, number>();

  add(spans: readonly SeenSpan[]): void {
    const byParent = Map.groupBy(spans, ({ parentId }) => parentId);
    for (const span of spans) {
      if (span.kind !== "SERVER") continue;
      if (span.parentId === null) {
        this.#entries.set(span.serviceName, (this.#entries.get(span.serviceName) ?? 0) + 1);
      }
      const children = byParent.get(span.id) ?? [];
      this.#learn(
        span,
        children.filter(({ kind }) => kind === "CLIENT"),
      );
    }
  }

  #learn({ serviceName, status, startUs }: SeenSpan, calls: readonly SeenSpan[]): void {
    let service = this.#services.get(serviceName);
    if (service === undefined) {
      service = { successes: 0, callees: new Map(), ownErrors: new Set() };
      this.#services.set(serviceName, service);
    }
    const isSuccess = status === null || status < 400;
    if (isSuccess) service.successes++;
    else if (calls.length === 0) service.ownErrors.add(status);
    const byCallee = Map.groupBy(calls, ({ remote }) => remote ?? "");
    for (const [name, attempts] of byCallee) {
      const callee = service.callees.get(name) ?? {
        requests: 0,
        retries: 0,
        isMadeAgain: false,
        offsetUs: 0,
        despite: new Set(),
      };
      service.callees.set(name, callee);
      if (isSuccess) {
        callee.requests++;
        callee.retries = Math.max(callee.retries, attempts.length - 1);
        const successes = attempts.filter((call) => call.status !== null && call.status < 400);
        callee.isMadeAgain ||= successes.length > 1;
        callee.offsetUs += Math.min(...attempts.map((call) => call.startUs)) - startUs;
      }
      // Count attempts that a successful one followed, too: the graph describes what may happen, not what
      // must.
      if (attempts.some((call) => call.status === null || call.status >= 400))
        for (const other of byCallee.keys()) if (other !== name) callee.despite.add(other);
    }
  }

  /** `null` until the first complete trace. */
  graph(): CallGraph | null {
    const [entry] = [...this.#entries].sort(([, a], [, b]) => b - a);
    if (entry === undefined) return null;
    const services = new Map<string, GraphService>();
    for (const [name, { successes, callees, ownErrors }] of this.#services) {
      const steps = [...callees]
        .filter(([, { requests }]) => requests > 0)
        .sort(([, a], [, b]) => a.offsetUs / a.requests - b.offsetUs / b.requests)
        .map(([service, { requests, retries, isMadeAgain, despite }]) => [
          {
            service,
            isCertain: requests === successes,
            retries,
            isMadeAgain,
            repeats: () => "perhaps" as const,
            despite,
          },
        ]);
      services.set(name, { name, steps, ownErrors: [...ownErrors] });
    }
    return { entry: entry[0], services };
  }
}
