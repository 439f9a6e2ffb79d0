import type { Rate } from "../load/schedule.ts";
import { durationFlag, rateFlag } from "./flags.ts";
import type { Setting } from "./settings.ts";

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
