import type { ApiClient } from "../api/client.ts";
import { isRefusal } from "../api/failure.ts";
import type { LiveObject } from "../api/live-object.ts";
import { resourceOf } from "../api/resource.ts";
import type { KubernetesObject } from "../object.ts";
import { type Difference, findDifferences } from "./difference.ts";
import { FIELD_MANAGER, findOwned } from "./owned-fields.ts";
import type { PlannedObject } from "./plan.ts";
import { isMadeFrom } from "./pod-spec.ts";
import { type Problem, ROLLING_UPDATE, readApplyProblems } from "./problem.ts";

/** What the server says to a dry run. */
export interface DryRunResult {
  readonly force: boolean;
  /** The object as it would be; `null` when it was refused. */
  readonly applied: LiveObject | null;
  readonly problems: readonly Problem[];
}

export async function dryRunApply(
  client: ApiClient,
  object: KubernetesObject,
  exists: boolean,
  force: boolean,
): Promise<DryRunResult> {
  try {
    const applied = await client.apply(resourceOf(object), object, {
      manager: FIELD_MANAGER,
      force,
      dryRun: true,
    });
    return { force, applied, problems: [] };
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return { force, applied: null, problems: readApplyProblems(object, error, exists) };
  }
}

/** What has to be done for an object that exists; `null` when its problems are in the way. */
export function judgeDryRun(
  live: LiveObject,
  found: PlannedObject,
  { applied, problems, force }: DryRunResult,
): PlannedObject | null {
  const isPod = found.object.kind === "Pod";
  const isRewritten = isPod && !force && isMadeFrom(live, found.object);
  if (applied === null) {
    const isStrategy = problems.every(({ field }) => field === ROLLING_UPDATE);
    const isReplaceable = isPod || found.object.kind === "Job" || isStrategy;
    const isImmutable = problems.every(({ kind }) => kind === "immutable");
    if (!isReplaceable || !isImmutable) return null;
    return { ...found, force, action: isRewritten ? "unchanged" : "replace" };
  }
  const differences = findDifferences(live, applied);
  const isSame =
    found.action !== "adopt" &&
    differences.length === 0 &&
    Bun.deepEquals(findOwned(live), findOwned(applied));
  // A Pod's image can be changed, but it says that it is ready until its container was started again.
  const changesSpec = ({ path }: Difference) => path.startsWith("spec.");
  if (isRewritten && differences.every(changesSpec)) return { ...found, force, action: "unchanged" };
  const isNewPod = isPod && differences.some(changesSpec);
  return { ...found, force, differences, action: isSame ? "unchanged" : isNewPod ? "replace" : found.action };
}

/** The fields that an object has, without their values; and whether its name begins with a letter, as a Service's must. */
export function shapeOf(object: KubernetesObject): string {
  const paths: string[] = [];
  const walk = (value: unknown, path: string) => {
    if (value === null || typeof value !== "object") paths.push(path);
    else for (const [key, inner] of Object.entries(value)) walk(inner, `${path}/${key}`);
  };
  walk(object, `${object.kind}:${/^[a-z]/.test(object.metadata.name)}`);
  return paths.join("\n");
}
