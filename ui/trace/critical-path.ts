import type { TraceRow } from "./trace-model.ts";

/**
 * Marks the spans that decided how long the trace took: from the end of the root backwards, at each moment the child
 * that ended last before it. A span off the path could be slower without the trace being slower.
 */
export function markCriticalPath(rows: readonly TraceRow[]): void {
  const root = rows.reduce<TraceRow | undefined>((best, row) => {
    if (row.parent >= 0 || row.start === null) return best;
    return best === undefined || endOf(row) > endOf(best) ? row : best;
  }, undefined);
  if (root === undefined) return;
  const children = groupChildren(rows);
  const stack: [row: TraceRow, until: number][] = [[root, endOf(root)]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [row, until] = next;
    row.isCritical = true;
    let moment = Math.min(until, endOf(row));
    // By end, the latest first; one that ends after the moment ran beside one that is on the path.
    for (const child of children.get(row.index) ?? []) {
      if (child.start === null || endOf(child) > moment || child.start < (row.start ?? 0)) continue;
      stack.push([child, moment]);
      moment = child.start;
    }
  }
}

function endOf(row: TraceRow): number {
  return (row.start ?? 0) + row.duration;
}

function groupChildren(rows: readonly TraceRow[]): Map<number, TraceRow[]> {
  const groups = new Map<number, TraceRow[]>();
  for (const row of rows) {
    if (row.parent < 0) continue;
    const group = groups.get(row.parent);
    if (group === undefined) groups.set(row.parent, [row]);
    else group.push(row);
  }
  for (const group of groups.values()) group.sort((a, b) => endOf(b) - endOf(a));
  return groups;
}
