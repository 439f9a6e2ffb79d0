import { parseDuration } from "../../lib/duration.ts";
import type { Rate } from "../../load/schedule.ts";
import { type Common, durationFlag, type Flag, single, Unfit } from "../shell/flags.ts";
import type { Setting } from "../shell/settings.ts";

const RATE = /^(\d+(?:\.\d+)?)(?:\/(s|m|h))?$/;
const RAMP = /^(\d+(?:\.\d+)?)\.\.(\d+(?:\.\d+)?)\/([^/]+)$/;
const MAX_PER_SECOND = 1e6;

/** Requests a second: `200/s`, `5/m`, or a plain number for a second; or a ramp, `100..1000/30s`. */
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

/** How requests follow one another. */
export const PACE_FLAGS = {
  "sleep-time": durationFlag(1000, {
    summary: "Time from one request to the next.",
    placeholder: "SECONDS",
    bareSeconds: true,
    fallbackText: "1",
  }),
  rate: rateFlag({
    summary:
      "Requests a second (200/s), a minute (5/m) or an hour (50/h), or a ramp (100..1000/30s); overrides --sleep-time.",
  }),
} as const;

/** The rate that was asked for: --rate, unless only the time stands on the command line. */
export function rateOf(
  flags: { readonly "sleep-time": number; readonly rate: Rate | null },
  settings: readonly Setting[],
): Rate {
  const isGiven = (name: string) => settings.some((it) => it.name === name && it.origin === `--${name}`);
  if (flags.rate !== null && (isGiven("rate") || !isGiven("sleep-time"))) return flags.rate;
  const perSecond = 1000 / Math.max(1, flags["sleep-time"]);
  return { fromPerSecond: perSecond, toPerSecond: perSecond, rampMs: 0 };
}

export function wasGiven(settings: readonly Setting[], name: string): boolean {
  return settings.some((it) => it.name === name && it.origin !== "default");
}
