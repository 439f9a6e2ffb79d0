import type { Behaviour, Call, Distribution, Latency, Service } from "../topology/model.ts";
import type { Plain } from "./object.ts";

/**
 * A service as its own entry of a topology document, in compact JSON: what `parseService` reads back as an
 * equal service. Times are given in full, so that nothing depends on the rest of the document; what is at its
 * built-in default is left out. The slow request of plain chains has no place in a document and is not in it.
 */
export function renderServiceEntry(service: Service): string {
  return JSON.stringify({
    ...renderBehaviour(service.behaviour),
    replicas: service.replicas === 1 ? undefined : service.replicas,
    calls: service.steps.length === 0 ? undefined : service.steps.map(renderStep),
  });
}

function renderBehaviour(behaviour: Behaviour): Record<string, Plain> {
  return {
    latency: behaviour.latency === null ? undefined : renderLatency(behaviour.latency),
    errors: behaviour.errors === null ? undefined : { ...behaviour.errors },
    cpu: behaviour.cpuMs === 0 ? undefined : exactDuration(behaviour.cpuMs),
    response: behaviour.responseBytes === 0 ? undefined : decimal(behaviour.responseBytes),
  };
}

function renderLatency({ probability, ...distribution }: Latency): Plain {
  if (probability === 1) {
    return distribution.kind === "fixed" ? exactDuration(distribution.ms) : renderDistribution(distribution);
  }
  return { ...renderDistribution(distribution), probability };
}

function renderDistribution(distribution: Distribution): Record<string, Plain> {
  switch (distribution.kind) {
    case "fixed":
      return { fixed: exactDuration(distribution.ms) };
    case "uniform":
      return { uniform: [exactDuration(distribution.minMs), exactDuration(distribution.maxMs)] };
    case "normal":
      return { normal: renderSpread(distribution) };
    case "lognormal":
      return { lognormal: renderSpread(distribution) };
    case "exponential":
      return { exponential: exactDuration(distribution.meanMs) };
    case "quantiles":
      return {
        p50: exactDuration(distribution.p50Ms),
        p90: distribution.p90Ms === null ? undefined : exactDuration(distribution.p90Ms),
        p99: distribution.p99Ms === null ? undefined : exactDuration(distribution.p99Ms),
      };
  }
}

function renderSpread({ meanMs, deviationMs }: { meanMs: number; deviationMs: number }): Plain {
  return { mean: exactDuration(meanMs), deviation: exactDuration(deviationMs) };
}

function renderStep(step: readonly Call[]): Plain {
  const [first, ...others] = step;
  return first !== undefined && others.length === 0 ? renderCall(first) : step.map(renderCall);
}

function renderCall(call: Call): Plain {
  return {
    service: call.service,
    probability: call.probability === 1 ? undefined : call.probability,
    timeout: exactDuration(call.timeoutMs),
    retries: call.retries === 0 ? undefined : call.retries,
  };
}

/** Always in `ms`: any other unit would be multiplied on reading and could come back rounded. */
function exactDuration(ms: number): string {
  return ms === 0 ? "0" : `${decimal(ms)}ms`;
}

/** All digits of a number, never an exponent. */
function decimal(value: number): string {
  const text = String(value);
  if (!text.includes("e")) return text;
  return value >= 1 ? BigInt(value).toString() : value.toFixed(100).replace(/0+$/, "");
}
