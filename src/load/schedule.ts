import type { Random } from "../lib/random.ts";

/** How often requests begin: at one rate, or at one that grows or falls evenly to another and stays there. */
export interface Rate {
  /** Requests a second; 0 or more. */
  readonly fromPerSecond: number;
  readonly toPerSecond: number;
  /** Time from the one to the other; 0 for a constant rate. */
  readonly rampMs: number;
}

/** In even steps, or at random moments whose mean is the rate. */
export type Arrivals = "constant" | "poisson";

export const ARRIVALS = ["constant", "poisson"] as const satisfies readonly Arrivals[];

/** What clocks and sums are wrong by decides nothing: in ms, and in requests. */
export const ROUNDING = 1e-6;

/** Nothing is ever this much: what is due then is not due. */
const NEVER = Number.POSITIVE_INFINITY;

export function constantRate(perSecond: number): Rate {
  return { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 };
}

/**
 * The moments at which requests are due, in milliseconds from the start. Each is computed from its place in the row and
 * never from the one before, so that nothing adds up. A place is a number of requests that a rate would have begun:
 * whole numbers for even steps, sums of exponential draws for a Poisson process.
 */
export class Schedule {
  readonly rate: Rate;
  readonly #random: Random | null;
  #place: number;

  /** @param random Of the moments of a Poisson process; `null` for even steps. */
  constructor(rate: Rate, random: Random | null = null) {
    this.rate = rate;
    this.#random = random;
    this.#place = random === null ? 0 : exponential(random);
  }

  /** When the next request is due; infinity when none ever is. */
  get dueMs(): number {
    return timeOf(this.rate, this.#place);
  }

  advance(): void {
    this.#place += this.#random === null ? 1 : exponential(this.#random);
  }

  /** How many requests are due before `endMs`, from the next on. Of a Poisson process: how many are to be expected. */
  countDueBefore(endMs: number): number {
    const left = placeAt(this.rate, endMs) - this.#place;
    if (left <= ROUNDING) return 0;
    return this.#random === null ? Math.ceil(left - ROUNDING) : Math.round(left) + 1;
  }
}

/** How many requests a rate begins in so many milliseconds. */
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
    // The root of a quadratic in the form that loses no digits when the rate hardly changes.
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
