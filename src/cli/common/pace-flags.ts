import { parseDuration } from "../../lib/duration.ts";
import type { Rate } from "../../load/schedule.ts";
import { type Common, durationFlag, type Flag, type FlagValues, single, Unfit } from "../shell/flags.ts";
import type { Setting } from "../shell/settings.ts";

const RATE = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/;
const RAMP = /^(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)\/([^/]+)$/;
const MAX_PER_SECOND = 1e6;

/** A rate, `200/s`, `5/m` or a plain number per second; or a ramp, `100..1000/30s`. */
function rateFlag(common: Common<Rate | null>): Flag<Rate | null> {
  const parse = (text: string) => parseRamp(text) ?? parseRate(text);
  return single<Rate | null>(null, parse, { placeholder: "RATE", ...common });
}

const isRate = (perSecond: number) => perSecond > 0 && perSecond <= MAX_PER_SECOND;

function parseRate(text: string): Rate | Unfit {
  const [, amount, unit = "s"] = RATE.exec(text) ?? [];
  const perSecond = Number(amount) / ({ s: 1, m: 60, h: 3600 }[unit] ?? 1);
  if (!isRate(perSecond)) return new Unfit("a rate such as 200/s, 5/m or 50/h, or 100..1000/30s, a ramp");
  return { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 };
}

function parseRamp(text: string): Rate | null {
  const [, from, to, duration = ""] = RAMP.exec(text) ?? [];
  const rampMs = parseDuration(duration) ?? 0;
  const rate = { fromPerSecond: Number(from), toPerSecond: Number(to), rampMs };
  const isFit = isRate(rate.fromPerSecond + rate.toPerSecond) && rampMs > 0;
  return isFit ? rate : null;
}

/** The pace of requests. */
export const PACE_FLAGS = {
  "sleep-time": durationFlag(1000, {
    summary: "Time between requests.",
    placeholder: "SECONDS",
    bareSeconds: true,
    fallbackText: "1",
  }),
  rate: rateFlag({
    summary: "Request rate (200/s, 5/m, 50/h) or ramp (100..1000/30s); overrides --sleep-time.",
  }),
} as const;

/** The requested rate: `--rate`, unless only `--sleep-time` is on the command line. */
export function rateOf(flags: FlagValues<typeof PACE_FLAGS>, settings: readonly Setting[]): Rate {
  const isGiven = (name: string) => settings.some((it) => it.name === name && it.origin === `--${name}`);
  if (flags.rate !== null && (isGiven("rate") || !isGiven("sleep-time"))) return flags.rate;
  const perSecond = 1000 / Math.max(1, flags["sleep-time"]);
  return { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 };
}

export function wasGiven(settings: readonly Setting[], name: string): boolean {
  return settings.some((it) => it.name === name && it.origin !== "default");
}
