import type { Target } from "../../kubernetes/release/deployment.ts";
import { hasChanges, type Plan } from "../../kubernetes/release/plan.ts";
import { makePlan } from "../../kubernetes/release/planner.ts";
import type { ReleaseStore } from "../../kubernetes/release/store.ts";
import { UserError } from "../../lib/errors.ts";
import { renderData } from "../common/data-output.ts";
import { EXIT } from "../shell/exit.ts";
import type { Output } from "../shell/output.ts";
import { planOptions } from "./plan-flags.ts";
import { describePlan, renderPlan } from "./plan-text.ts";

/** Shows what a deploy would change; resolves to 0 for no changes, 1 for changes, 3 when it cannot tell. */
export async function runDryRun(
  openRelease: () => Promise<{ readonly store: ReleaseStore }>,
  target: Target,
  flags: {
    readonly namespace: string;
    readonly "force-conflicts": boolean;
    readonly "take-ownership": boolean;
    readonly output: "table" | "json" | "yaml";
  },
  output: Output,
): Promise<number> {
  let plan: Plan;
  try {
    const { store } = await openRelease();
    plan = await makePlan(store, target.objects, planOptions(flags));
  } catch (error) {
    if (!(error instanceof UserError) || error.code === "usage") throw error;
    output.failure(error);
    return EXIT.couldNotTell;
  }
  const { namespace } = flags;
  const text =
    flags.output === "table"
      ? renderPlan(plan, namespace)
      : renderData(flags.output, describePlan(plan, namespace));
  await output.result(text);
  return hasChanges(plan) ? EXIT.failed : EXIT.done;
}
