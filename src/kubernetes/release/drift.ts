import { UserError } from "../../lib/errors.ts";
import type { KubernetesObject } from "../object.ts";
import { keyOf } from "./plan.ts";
import { makePlan } from "./planner.ts";
import { explainProblem, ReleaseConflict } from "./problem.ts";
import type { ReleaseStore } from "./store.ts";

/** Fields that are named for one object. */
const MAX_FIELDS = 3;

/**
 * What other people made of a release's objects: how each of them differs from what the release wants, by {@link keyOf}. It
 * is what the next deploy would put right, or refuse to.
 */
export async function findDrift(
  store: ReleaseStore,
  objects: readonly KubernetesObject[],
): Promise<ReadonlyMap<string, string>> {
  try {
    const plan = await makePlan(store, objects, { forceConflicts: false, takeOwnership: false });
    const changed = plan.objects.filter(({ action }) => action !== "unchanged" && action !== "create");
    return new Map(
      changed.map(({ object, differences }) => {
        const paths = differences.slice(0, MAX_FIELDS).map(({ path }) => path);
        const more = differences.length > MAX_FIELDS ? ", …" : "";
        return [
          keyOf(object),
          `differs from the release: ${paths.join(", ") || "its fields' owners"}${more}`,
        ];
      }),
    );
  } catch (error) {
    if (error instanceof ReleaseConflict) {
      return new Map(error.problems.map((problem) => [keyOf(problem.object), explainProblem(problem)]));
    }
    // Dry runs need the rights of a deploy; who may only read is told what can be read.
    if (error instanceof UserError && error.code === "forbidden") return new Map();
    throw error;
  }
}
