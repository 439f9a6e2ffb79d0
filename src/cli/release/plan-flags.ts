import type { PlanOptions } from "../../kubernetes/release/plan.ts";
import { type FlagValues, switchFlag } from "../shell/flags.ts";

/** Whether a plan may change what others own. */
export const PLAN_FLAGS = {
  "force-conflicts": switchFlag({ summary: "Overwrite fields that other managers changed." }),
  "take-ownership": switchFlag({
    summary: "Adopt existing objects that no release owns, for example ones created with kubectl.",
  }),
} as const;

export function planOptions(flags: FlagValues<typeof PLAN_FLAGS>): PlanOptions {
  return { forceConflicts: flags["force-conflicts"], takeOwnership: flags["take-ownership"] };
}
