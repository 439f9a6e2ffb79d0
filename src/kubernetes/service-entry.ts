import {
  type Behavior,
  type Call,
  type Concurrency,
  DEFAULT_RETRY,
  type Distribution,
  type ErrorRule,
  isCall,
  type Latency,
  type RetryPolicy,
  type Service,
  type Sleep,
  type Step,
} from "../topology/model.ts";
import type { Plain } from "./object.ts";

/**
 * Renders a service as its entry of a topology document, in compact JSON that `parseService` reads back as an equal service.
 * Times carry their unit, so that nothing depends on the rest of the document. Built-in defaults are omitted. The slow
 * request of plain chains cannot be expressed in a document and is omitted.
 */
export function renderServiceEntry(service: Service): string {
  return JSON.stringify({
    ...renderBehavior(service.behavior),
    replicas: service.replicas === 1 ? undefined : service.replicas,
    calls: service.steps.length === 0 ? undefined : service.steps.map(renderStep),
  });
}

function renderBehavior(behavior: Behavior): Record<string, Plain> {
  const { latency, cpu, errors, response, memory, concurrency, rateLimit, startupMs, slowStart } = behavior;
  return {
    latency: latency === null ? undefined : renderLatency(latency),
    cpu: cpu === null ? undefined : renderLatency(cpu),
    errors: renderFaults(errors),
    response: response === null ? undefined : renderAmount(response, exactBytes),
    memory: renderMemory(memory),
    concurrency: concurrency === null ? undefined : renderConcurrency(concurrency),
    rateLimit: rateLimit === null ? undefined : { ...rateLimit },
    startup: startupMs === 0 ? undefined : exactDuration(startupMs),
    slowStart:
      slowStart === null ? undefined : { for: exactDuration(slowStart.durationMs), factor: slowStart.factor },
  };
}

function renderFaults(faults: readonly ErrorRule[]): Plain {
  const [first, ...others] = faults;
  if (first === undefined) return undefined;
  return others.length === 0 ? renderFault(first) : faults.map(renderFault);
}

function renderFault(fault: ErrorRule): Plain {
  const how = fault.kind === "status" ? { status: fault.status } : { kind: fault.kind };
  const after = fault.after === null ? undefined : renderAmount(fault.after, exactDuration);
  return { rate: fault.rate, ...how, after };
}

function renderMemory({ heldBytes, requestBytes }: Behavior["memory"]): Plain {
  if (heldBytes === 0 && requestBytes === 0) return undefined;
  return { held: exactBytes(heldBytes), perRequest: exactBytes(requestBytes) };
}

function renderConcurrency({ limit, queue, waitMs }: Concurrency): Plain {
  return { limit, queue, wait: waitMs === null ? undefined : exactDuration(waitMs) };
}

function renderLatency({ probability, ...distribution }: Latency): Plain {
  if (probability === 1) return renderAmount(distribution, exactDuration);
  return { ...renderDistribution(distribution, exactDuration), probability };
}

type Render = (value: number) => string;

function renderAmount(distribution: Distribution, exact: Render): Plain {
  return distribution.kind === "fixed" ? exact(distribution.value) : renderDistribution(distribution, exact);
}

function renderDistribution(distribution: Distribution, exact: Render): Record<string, Plain> {
  switch (distribution.kind) {
    case "fixed":
      return { fixed: exact(distribution.value) };
    case "uniform":
      return { uniform: [exact(distribution.min), exact(distribution.max)] };
    case "normal":
      return { normal: renderSpread(distribution, exact) };
    case "lognormal":
      return { lognormal: renderSpread(distribution, exact) };
    case "exponential":
      return { exponential: exact(distribution.mean) };
    case "quantiles":
      return {
        p50: exact(distribution.p50),
        p90: distribution.p90 === null ? undefined : exact(distribution.p90),
        p99: distribution.p99 === null ? undefined : exact(distribution.p99),
      };
  }
}

function renderSpread({ mean, deviation }: { mean: number; deviation: number }, exact: Render): Plain {
  return { mean: exact(mean), deviation: exact(deviation) };
}

function renderStep(step: Step): Plain {
  const [first, ...others] = step;
  return first !== undefined && others.length === 0 ? renderAction(first) : step.map(renderAction);
}

function renderAction(action: Call | Sleep): Plain {
  if (!isCall(action)) return { sleep: renderAmount(action.sleep, exactDuration) };
  const { service, probability, timeoutMs, retries, retry, request } = action;
  return {
    service,
    probability: probability === 1 ? undefined : probability,
    timeout: exactDuration(timeoutMs),
    retries: retries === 0 ? undefined : retries,
    ...renderRetry(retry),
    request: request === null ? undefined : renderAmount(request, exactBytes),
  };
}

function renderRetry({ on, backoffMs, budget }: RetryPolicy): Record<string, Plain> {
  return {
    retryOn: on.join() === DEFAULT_RETRY.on.join() ? undefined : [...on],
    backoff: backoffMs === 0 ? undefined : exactDuration(backoffMs),
    retryBudget: budget === null ? undefined : { ...budget },
  };
}

/** Writes sizes as whole bytes. */
function exactBytes(bytes: number): string {
  return decimal(bytes);
}

/** Writes durations in `ms`. Any other unit is multiplied on reading and could come back rounded. */
function exactDuration(ms: number): string {
  return ms === 0 ? "0" : `${decimal(ms)}ms`;
}

/** Writes all digits of a number, never an exponent. */
function decimal(value: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  return value >= 1 ? BigInt(value).toString() : value.toFixed(100).replace(/0+$/, "");
}
