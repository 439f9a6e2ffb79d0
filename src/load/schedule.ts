import type { Random } from "../lib/random.ts";

/** How often requests are sent: at a constant rate, or at one that changes linearly to another and then stays there. */
export interface Rate {
  /** Requests per second; 0 or more. */
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
  /** Duration of the change; 0 for a constant rate. */
  readonly rampMs: number;
}

/** At regular intervals, or at random times with the rate as their mean. */
export type Arrivals = "constant" | "poisson";

export const ARRIVALS = ["constant", "poisson"] as const satisfies readonly Arrivals[];

/** Tolerance for the rounding of clocks and sums, in milliseconds and in requests. */
export const ROUNDING = 1e-6;

/** The due time of a request that never becomes due. */
const NEVER = Number.POSITIVE_INFINITY;

export function constantRate(perSecond: number): Rate {
  return { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 };
}

/**
 * The times at which requests are due, in milliseconds from the start. Each is computed from its place in the sequence, and
 * never from the previous time, so errors do not accumulate. A place is a number of requests that a rate would have sent:
 * whole numbers for regular intervals, sums of exponential draws for a Poisson process.
 */
export class Schedule {
  readonly rate: Rate;
  readonly #random: Random | null;
  #place: number;

  /** @param random draws the times of a Poisson process; `null` for regular intervals */
  constructor(rate: Rate, random: Random | null = null) {
    this.rate = rate;
    this.#random = random;
    this.#place = random === null ? 0 : exponential(random);
  }

  /** When the next request is due; infinity if none ever is. */
  get dueMs(): number {
    return timeOf(this.rate, this.#place);
  }

  advance(): void {
    this.#place += this.#random === null ? 1 : exponential(this.#random);
  }

  /** Number of requests due before `endMs`, starting with the next one; for a Poisson process, the expected number. */
  countDueBefore(endMs: number): number {
    const left = placeAt(this.rate, endMs) - this.#place;
    if (left <= ROUNDING) return 0;
    return this.#random === null ? Math.ceil(left - ROUNDING) : Math.round(left) + 1;
  }
}

/** Number of requests that a rate sends in this many milliseconds. */
export function placeAt({ fromPerSecond, toPerSecond, rampMs }: Rate, ms: number): number {
  const inRampMs = Math.min(ms, rampMs);
  const reached = rampMs === 0 ? 0 : (toPerSecond - fromPerSecond) * (inRampMs / rampMs);
  const inRamp = (fromPerSecond + reached / 2) * inRampMs;
  return (inRamp + toPerSecond * (ms - inRampMs)) / 1000;
}

/** The inverse of {@link placeAt}. */
function timeOf(rate: Rate, place: number): number {
  const { fromPerSecond, toPerSecond, rampMs } = rate;
  const rampPlace = placeAt(rate, rampMs);
  if (rampMs > 0 && place <= rampPlace) {
    // The root of a quadratic, in a form that loses no digits if the rate hardly changes.
    const growth = (toPerSecond - fromPerSecond) / (rampMs / 1000);
    const root = Math.sqrt(Math.max(0, fromPerSecond ** 2 + 2 * growth * place));
    if (place === 0) return fromPerSecond > 0 || growth > 0 ? 0 : NEVER;
    return (2 * place * 1000) / (fromPerSecond + root);
  }
  if (toPerSecond === 0) return NEVER;
  return rampMs + ((place - rampPlace) * 1000) / toPerSecond;
}

function exponential(random: Random): number {
  return -Math.log(1 - random());
}
