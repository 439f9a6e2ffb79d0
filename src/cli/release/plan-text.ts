import type { Plain } from "../../kubernetes/object.ts";
import type { Difference } from "../../kubernetes/release/difference.ts";
import type { Action, Plan } from "../../kubernetes/release/plan.ts";
import { joinLines } from "../../lib/visible-text.ts";

const SIGNS: Readonly<Record<Action, string>> = {
  create: "+",
  change: "~",
  adopt: "~",
  replace: "±",
  unchanged: "=",
};

const NOTES: Readonly<Partial<Record<Action, string>>> = {
  adopt: " (adopted by this release)",
  replace: " (deleted and recreated, because a field is immutable)",
};

/** Maximum length of one value; a services list can have kilobytes. */
const MAX_VALUE = 200;

/** Renders a plan for people: a line per object, and below it a line per changed field. */
export function renderPlan(plan: Plan, namespace: string): string {
  const lines: string[] = [];
  if (plan.namespaceState === "missing") lines.push(`+ Namespace ${namespace}`);
  for (const { action, object, differences } of plan.objects) {
    if (action === "unchanged") continue;
    lines.push(`${SIGNS[action]} ${object.kind} ${object.metadata.name}${NOTES[action] ?? ""}`);
    for (const difference of differences) lines.push(`    ${renderDifference(difference)}`);
    if (action === "change" && differences.length === 0) lines.push("    field ownership only");
  }
  for (const { resource, name } of plan.removals) lines.push(`- ${resource.kind} ${name}`);
  if (lines.length > 0) lines.push("");
  const count = (action: Action) => plan.objects.filter((object) => object.action === action).length;
  const created = count("create") + (plan.namespaceState === "missing" ? 1 : 0);
  const changed = count("change") + count("adopt") + count("replace");
  lines.push(
    `${created} to create, ${changed} to change, ${plan.removals.length} to delete, ${count("unchanged")} unchanged`,
  );
  return joinLines(lines);
}

/** Describes a plan for programs. */
export function describePlan(plan: Plan, namespace: string): Plain {
  const { objects, removals, namespaceState } = plan;
  return {
    namespace,
    changes: [
      ...(namespaceState === "missing"
        ? [{ action: "create", kind: "Namespace", name: namespace, fields: [] }]
        : []),
      ...objects
        .filter(({ action }) => action !== "unchanged")
        .map(({ action, object, differences }) => ({
          action,
          kind: object.kind,
          name: object.metadata.name,
          fields: differences.map(({ path, before, after }) => ({
            path,
            before: before as Plain,
            after: after as Plain,
          })),
        })),
      ...removals.map(({ resource, name }) => ({ action: "delete", kind: resource.kind, name, fields: [] })),
    ],
    unchanged: objects.filter(({ action }) => action === "unchanged").length,
  };
}

function renderDifference({ path, before, after }: Difference): string {
  if (before === undefined) return `${path}: + ${renderValue(after)}`;
  if (after === undefined) return `${path}: - ${renderValue(before)}`;
  return `${path}: ${renderValue(before)} -> ${renderValue(after)}`;
}

function renderValue(value: unknown): string {
  const text = JSON.stringify(value) ?? "";
  return text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text;
}
