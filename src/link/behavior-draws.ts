import type { Random } from "../lib/random.ts";
import type { Behavior, ErrorRule } from "../topology/model.ts";
import { calibrateWork } from "./busy-work.ts";
import { prepareDraw, prepareOccasionalDraw } from "./distribution.ts";

/** A behavior prepared for drawing: what it does not use is `null` and costs nothing. */
export interface BehaviorDraws
  extends Pick<Behavior, "memory" | "concurrency" | "rateLimit" | "startupMs" | "slowStart" | "slow"> {
  /** A request only makes its calls and answers. */
  readonly isPlain: boolean;
  /** Milliseconds to wait before making the calls. */
  readonly drawLatencyMs: (() => number) | null;
  /** Milliseconds of CPU work. */
  readonly drawCpuMs: (() => number) | null;
  /** How to fail instead of serving, or `null` to serve. */
  readonly drawFault: (() => PreparedErrorRule | null) | null;
  /** Size of the response body. */
  readonly drawResponseBytes: (() => number) | null;
  /** Whether all answers have the same size. */
  readonly hasFixedResponse: boolean;
}

export interface PreparedErrorRule {
  readonly fault: ErrorRule;
  /** Milliseconds until the failure; `null`: after latency and CPU work. */
  readonly drawAfterMs: (() => number) | null;
}

/** `randomOf` gives each part a generator of its own, so that no part changes what another one draws. */
export function prepareDraws(behavior: Behavior, randomOf: (part: string) => Random): BehaviorDraws {
  const { latency, cpu, errors, response, memory, concurrency, rateLimit, startupMs, slowStart, slow } =
    behavior;
  if (cpu !== null) calibrateWork();
  return {
    isPlain:
      latency === null &&
      cpu === null &&
      errors.length === 0 &&
      memory.requestBytes === 0 &&
      concurrency === null &&
      rateLimit === null &&
      startupMs === 0 &&
      slow === null,
    drawLatencyMs: latency === null ? null : prepareOccasionalDraw(latency, randomOf("latency")),
    drawCpuMs: cpu === null ? null : prepareOccasionalDraw(cpu, randomOf("cpu")),
    drawFault: errors.length === 0 ? null : prepareFaults(errors, randomOf),
    drawResponseBytes: response === null ? null : prepareDraw(response, randomOf("response")),
    hasFixedResponse: response?.kind === "fixed",
    memory,
    concurrency,
    rateLimit,
    startupMs,
    slowStart,
    slow,
  };
}

/** A single draw decides between all rules, because their rates are shares of all requests. */
function prepareFaults(
  faults: readonly ErrorRule[],
  randomOf: (part: string) => Random,
): () => PreparedErrorRule | null {
  const random = randomOf("errors");
  let sum = 0;
  const prepared = faults.map((fault, index) => {
    sum += fault.rate;
    const { after } = fault;
    const drawAfterMs = after === null ? null : prepareDraw(after, randomOf(`errors/${index}`));
    return { below: sum, prepared: { fault, drawAfterMs } };
  });
  return () => {
    const drawn = random();
    for (const { below, prepared: candidate } of prepared) if (drawn < below) return candidate;
    return null;
  };
}

/** How many times slower a link is, `sinceMs` after it became ready: falls linearly from `factor` to 1. */
export function slownessAt(sinceMs: number, slowStart: NonNullable<Behavior["slowStart"]>): number {
  const { durationMs, factor } = slowStart;
  if (sinceMs >= durationMs) return 1;
  return factor - ((factor - 1) * Math.max(0, sinceMs)) / durationMs;
}
