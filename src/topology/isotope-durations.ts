import { parseDuration } from "../lib/duration.ts";
import { isRecord } from "../lib/record.ts";
import type { PathKey } from "./problem.ts";

type Services = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

/**
 * The paths of calls that take at least `limitMs`, because the callee and its callees sleep that long. Cycles are cut.
 */
export function findSlowCalls(services: Services, limitMs: number): PathKey[][] {
  const known = new Map<string, number>();
  const slow: PathKey[][] = [];
  for (const [name, { calls }] of Object.entries(services))
    for (const [index, step] of listOf(calls).entries())
      for (const [at, call] of listOf(step).entries()) {
        const callee = calleeOf(call);
        if (callee === null || durationOf(callee, services, known) < limitMs) continue;
        slow.push(["services", name, "calls", index, ...(Array.isArray(step) ? [at] : [])]);
      }
  return slow;
}

function durationOf(name: string, services: Services, known: Map<string, number>): number {
  const found = known.get(name);
  if (found !== undefined) return found;
  known.set(name, 0);
  const stepMs = (call: unknown) => {
    const callee = calleeOf(call);
    if (callee !== null) return durationOf(callee, services, known);
    return isRecord(call) ? (parseDuration(String(call.sleep)) ?? 0) : 0;
  };
  const totalMs = listOf(services[name]?.calls).reduce<number>(
    (sum, step) => sum + Math.max(0, ...listOf(step).map(stepMs)),
    0,
  );
  known.set(name, totalMs);
  return totalMs;
}

function calleeOf(call: unknown): string | null {
  if (typeof call === "string") return call;
  return isRecord(call) && typeof call.service === "string" ? call.service : null;
}

function listOf(value: unknown): readonly unknown[] {
  if (value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}
