import type { PlanOptions } from "../../kubernetes/release/plan.ts";
import { switchFlag } from "../shell/flags.ts";

/** What a plan may take from others. */
export const PLAN_FLAGS = {
  "force-conflicts": switchFlag({ summary: "Take back fields that others changed." }),
  "take-ownership": switchFlag({
    summary: "Take objects that exist and are no release's: made by the original, or by kubectl.",
  }),
} as const;

export function planOptions(flags: {
  readonly "force-conflicts": boolean;
  readonly "take-ownership": boolean;
}): PlanOptions {
  return { forceConflicts: flags["force-conflicts"], takeOwnership: flags["take-ownership"] };
}
