import { isRecord } from "../lib/record.ts";
import { findNearest } from "../lib/suggestion.ts";
import { describeValue, MAX_LISTED, type PathKey, type Problem } from "./problem.ts";

/** RFC 1035 labels, the names that a Kubernetes Service can have. */
const SERVICE_NAME = /^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$/;
const SERVICE_NAME_EXPECTED =
  "a DNS label: at most 63 lower-case letters, digits and hyphens, beginning with a letter";

interface Edge {
  readonly target: string;
  readonly path: readonly PathKey[];
}

/** Finds problems between the services of a document. Ignores entries of the wrong type: other checks report those. */
export function findGraphProblems(services: Readonly<Record<string, unknown>>): Problem[] {
  const problems: Problem[] = [];
  const edges = new Map<string, Edge[]>();
  const entries: string[] = [];
  for (const [name, entry] of Object.entries(services)) {
    if (!SERVICE_NAME.test(name)) {
      problems.push({
        path: ["services", name],
        expected: SERVICE_NAME_EXPECTED,
        found: describeValue(name),
        atKey: true,
      });
    }
    edges.set(name, readEdges(name, entry));
    if (isRecord(entry) && entry.entry === true) entries.push(name);
  }
  for (const edge of [...edges.values()].flat()) {
    if (edges.has(edge.target)) continue;
    problems.push({
      path: edge.path,
      expected: "the name of a service in this document",
      found: describeValue(edge.target),
      // Each search compares with every name, and a message lists only the first of thousands of problems.
      nearest: problems.length < MAX_LISTED ? findNearest(edge.target, edges.keys()) : undefined,
    });
  }
  problems.push(...findCycles(edges), ...findEntryProblems(entries, edges));
  return problems;
}

function findEntryProblems(
  entries: readonly string[],
  edges: ReadonlyMap<string, readonly Edge[]>,
): Problem[] {
  if (entries.length === 0) {
    const targets = [...edges].map(([name, own]) => [name, own.map(({ target }) => target)] as const);
    const uncalled = findUncalled(new Map(targets));
    const candidate = uncalled.length === 1 ? ` (no service calls ${JSON.stringify(uncalled[0])})` : "";
    return [
      {
        path: ["services"],
        expected: `one service with "entry: true"${candidate}`,
        found: "none",
        atKey: true,
      },
    ];
  }
  return entries.slice(1).map((name) => ({
    path: ["services", name, "entry"],
    expected: `only one entry (${JSON.stringify(entries[0])} is already the entry)`,
    found: "a second entry",
  }));
}

/** One problem for each call that closes a cycle. Iterative, because chains may be very long. */
function findCycles(edges: ReadonlyMap<string, readonly Edge[]>): Problem[] {
  const problems: Problem[] = [];
  walkDepthFirst(edges, {
    back(edge, stack) {
      const cycle = [...stack.slice(stack.indexOf(edge.target)), edge.target];
      const shown = cycle.length > 8 ? [...cycle.slice(0, 4), "…", ...cycle.slice(-3)] : cycle;
      problems.push({ path: edge.path, expected: "calls without cycles", found: shown.join(" -> ") });
    },
  });
  return problems;
}

/** The services that no other service calls, in the order of `targets`, which maps each service to its callees. */
export function findUncalled(targets: ReadonlyMap<string, readonly string[]>): string[] {
  const called = new Set([...targets.values()].flat());
  return [...targets.keys()].filter((name) => !called.has(name));
}

/** For each service, the number of links on the longest path from it, itself included. The graph must not have cycles. */
export function measureDepths(targets: ReadonlyMap<string, readonly string[]>): Map<string, number> {
  const depths = new Map<string, number>();
  const edges = new Map(
    [...targets].map(([name, names]) => [name, names.map((target) => ({ target, path: [] }))]),
  );
  walkDepthFirst(edges, {
    leave(name) {
      depths.set(
        name,
        1 + Math.max(0, ...(targets.get(name) ?? []).map((target) => depths.get(target) ?? 0)),
      );
    },
  });
  return depths;
}

interface Visitor {
  back?(edge: Edge, stack: readonly string[]): void;
  leave?(name: string): void;
}

function walkDepthFirst(edges: ReadonlyMap<string, readonly Edge[]>, visitor: Visitor): void {
  const state = new Map<string, "open" | "done">();
  for (const root of edges.keys()) {
    if (state.has(root)) continue;
    const stack = [root];
    const cursors = [0];
    state.set(root, "open");
    while (stack.length > 0) {
      const name = stack.at(-1) ?? "";
      const cursor = cursors.at(-1) ?? 0;
      const edge = edges.get(name)?.[cursor];
      if (edge === undefined) {
        state.set(name, "done");
        visitor.leave?.(name);
        stack.pop();
        cursors.pop();
        continue;
      }
      cursors[cursors.length - 1] = cursor + 1;
      const seen = state.get(edge.target);
      if (seen === "open") visitor.back?.(edge, stack);
      else if (seen === undefined && edges.has(edge.target)) {
        state.set(edge.target, "open");
        stack.push(edge.target);
        cursors.push(0);
      }
    }
  }
}

function readEdges(name: string, entry: unknown): Edge[] {
  if (!isRecord(entry) || !Array.isArray(entry.calls)) return [];
  return entry.calls.flatMap((step: unknown, index) => {
    const path: PathKey[] = ["services", name, "calls", index];
    return Array.isArray(step)
      ? step.flatMap((call: unknown, inner) => readEdge(call, [...path, inner]))
      : readEdge(step, path);
  });
}

function readEdge(call: unknown, path: readonly PathKey[]): Edge[] {
  if (typeof call === "string") return [{ target: call, path }];
  if (isRecord(call) && typeof call.service === "string")
    return [{ target: call.service, path: [...path, "service"] }];
  return [];
}
