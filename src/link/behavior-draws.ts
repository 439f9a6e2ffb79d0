import type { Random } from "../lib/random.ts";
import type { Behavior, ErrorRule } from "../topology/model.ts";
import { calibrateWork } from "./busy-work.ts";
import { prepareDraw, prepareOccasionalDraw } from "./distribution.ts";

/** A behavior made ready to run: what is not used is `null` and costs nothing. */
export interface BehaviorDraws
  extends Pick<Behavior, "memory" | "concurrency" | "rateLimit" | "startupMs" | "slowStart" | "slow"> {
  /** Nothing is to be done but the calls and the answer. */
  readonly isPlain: boolean;
  /** Milliseconds to wait before the calls are made. */
  readonly drawLatencyMs: (() => number) | null;
  /** Milliseconds of busy work. */
  readonly drawCpuMs: (() => number) | null;
  /** How to fail instead of serving, or `null` to serve. */
  readonly drawFault: (() => PreparedErrorRule | null) | null;
  /** Size of the answer's body. */
  readonly drawResponseBytes: (() => number) | null;
  /** It is the same for all answers. */
  readonly hasFixedResponse: boolean;
}

export interface PreparedErrorRule {
  readonly fault: ErrorRule;
  /** When it fails; `null`: after latency and processor work. */
  readonly drawAfterMs: (() => number) | null;
}

/** `randomOf` gives a source of its own to each part, so that none changes what another draws. */
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

/** One draw decides between all kinds: their rates are shares of all requests. */
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

/** How many times slower a link is `sinceMs` after it became ready: from `factor` down to 1 in a straight line. */
export function slownessAt(sinceMs: number, slowStart: NonNullable<Behavior["slowStart"]>): number {
  const { durationMs, factor } = slowStart;
  if (sinceMs >= durationMs) return 1;
  return factor - ((factor - 1) * Math.max(0, sinceMs)) / durationMs;
}
