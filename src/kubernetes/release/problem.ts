import { UserError } from "../../lib/errors.ts";
import type { ApiError } from "../api/status.ts";
import type { KubernetesObject } from "../object.ts";

/** Why an object cannot be applied. */
export interface Problem {
  readonly kind: "conflict" | "foreign" | "foreign-release" | "immutable" | "invalid";
  readonly object: KubernetesObject;
  /** The manager, release or other owner that is in the way. */
  readonly owner?: string;
  readonly field?: string;
  readonly message?: string;
}

/** Problems that are printed one by one. */
const MAX_SHOWN = 20;

/**
 * The server fills it in, so that nobody owns it and no apply can take it away; it is refused beside another strategy:
 * https://github.com/kubernetes/kubernetes/issues/24198
 */
export const ROLLING_UPDATE = "spec.strategy.rollingUpdate";

/** What the server's refusal of a dry run means. */
export function readApplyProblems(object: KubernetesObject, error: ApiError, exists: boolean): Problem[] {
  if (error.managerConflicts.length > 0) {
    return error.managerConflicts.map(({ field, message }) => ({
      kind: "conflict",
      object,
      field,
      owner: /conflict with "([^"]+)"/.exec(message)?.[1] ?? message,
    }));
  }
  // A Pod's refusal says "pod updates may not change fields other than"; others say "field is immutable".
  if (exists && error.status === 422 && /immutable|may not change|pod updates/i.test(error.message)) {
    const fields = error.causes.map(({ field }) => field).filter((field) => field !== "");
    return [{ kind: "immutable", object, field: fields.join(", "), message: error.message }];
  }
  const isUnion = error.causes.some(({ field }) => field === ROLLING_UPDATE);
  if (exists && isUnion)
    return [{ kind: "immutable", object, field: ROLLING_UPDATE, message: error.message }];
  return [{ kind: "invalid", object, message: error.message }];
}

export function describeProblem(problem: Problem): string {
  const { kind, metadata } = problem.object;
  return `${kind} ${metadata.name}: ${explainProblem(problem)}`;
}

/** The same without the object's name. */
export function explainProblem({ kind, owner, field, message }: Problem): string {
  switch (kind) {
    case "conflict":
      return `${field} was changed by ${JSON.stringify(owner)}`;
    case "foreign":
      return `exists and is not part of this release (managed by ${owner})`;
    case "foreign-release":
      return `belongs to release ${JSON.stringify(owner)}`;
    case "immutable":
      return field === "" ? `${message}` : `${field} cannot be changed`;
    case "invalid":
      return `${message}`;
  }
}

/** All problems as one message, with what can be done about the kinds of them. */
export function problemsError(
  problems: readonly Problem[],
  options: { readonly forceConflicts: boolean; readonly takeOwnership: boolean },
): ReleaseConflict {
  const sorted = problems.toSorted((a, b) => (describeProblem(a) < describeProblem(b) ? -1 : 1));
  const lines = sorted.slice(0, MAX_SHOWN).map((problem) => `  ${describeProblem(problem)}`);
  if (problems.length > MAX_SHOWN) lines.push(`  and ${problems.length - MAX_SHOWN} more`);
  const kinds = new Set(problems.map(({ kind }) => kind));
  const hints = [
    kinds.has("conflict") && !options.forceConflicts ? "--force-conflicts takes the fields back." : "",
    kinds.has("foreign") ? "--take-ownership makes the objects part of this release." : "",
    kinds.has("foreign-release") ? "Use another namespace: names would clash." : "",
    kinds.has("immutable") ? "Delete the object, or the release (chain-link delete), and deploy again." : "",
  ];
  const [first] = problems;
  const isOne = problems.length === 1 && first !== undefined;
  const message = isOne
    ? `${describeProblem(first)}; nothing was changed`
    : `${problems.length} problems; nothing was changed:\n${lines.join("\n")}`;
  return new ReleaseConflict(message, hints.filter((hint) => hint !== "").join(" ") || undefined, problems);
}

/** A plan that cannot be carried out. */
export class ReleaseConflict extends UserError {
  constructor(
    message: string,
    hint: string | undefined,
    readonly problems: readonly Problem[],
  ) {
    super("release-conflict", message, hint);
  }
}
