import { isRecord, ownValue } from "../../lib/record.ts";
import type { LiveObject } from "../api/live-object.ts";

/** One field that a plan changes; `undefined` where there was, or will be, none. */
export interface Difference {
  /** `spec.template.spec.containers[chain-link].image` */
  readonly path: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** What the server writes by itself, or nobody asked for. */
const IGNORED_METADATA = new Set([
  "managedFields",
  "resourceVersion",
  "generation",
  "uid",
  "creationTimestamp",
]);

/** The fields in which an object as it would be differs from the one that lives. */
export function findDifferences(live: LiveObject, applied: LiveObject): Difference[] {
  const differences: Difference[] = [];
  compare(describedPart(live), describedPart(applied), "", differences);
  return differences;
}

function describedPart({ status: _, metadata, ...rest }: LiveObject): Record<string, unknown> {
  const kept = Object.entries(metadata).filter(([key]) => !IGNORED_METADATA.has(key));
  return { ...rest, metadata: Object.fromEntries(kept) };
}

function compare(before: unknown, after: unknown, path: string, into: Difference[]): void {
  if (Bun.deepEquals(before, after)) return;
  if (isRecord(before) && isRecord(after)) {
    for (const key of new Set([...Object.keys(before), ...Object.keys(after)])) {
      compare(ownValue(before, key), ownValue(after, key), joinPath(path, key), into);
    }
    return;
  }
  if (Array.isArray(before) && Array.isArray(after)) {
    const key = listKey([...before, ...after]);
    if (key !== null) {
      const names = new Set([...before, ...after].map((item) => String(item[key])));
      for (const name of names) {
        const find = (items: readonly Record<string, unknown>[]) =>
          items.find((item) => String(item[key]) === name);
        compare(find(before), find(after), `${path}[${name}]`, into);
      }
      return;
    }
  }
  into.push({ path, before, after });
}

/** The field by which the items of a list are told apart, as the API's own merge does. */
function listKey(items: readonly unknown[]): "name" | "mountPath" | "port" | "containerPort" | null {
  for (const key of ["mountPath", "name", "containerPort", "port"] as const) {
    if (items.every((item) => isRecord(item) && item[key] !== undefined)) return key;
  }
  return null;
}

/** Keys with dots in them, such as labels, stand in brackets. */
function joinPath(path: string, key: string): string {
  if (/[./]/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}
