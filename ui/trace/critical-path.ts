/** What the path is found by. Times in microseconds. */
export interface PathRow {
  readonly index: number;
  /** Index of the parent's row; -1 for a root. */
  readonly parent: number;
  /** `null`: unknown. */
  readonly start: number | null;
  readonly duration: number;
  isCritical: boolean;
}

/**
 * Marks the spans that decided how long the trace took: from the end of the root backwards, at each moment the child
 * that ended last before it. A span off the path could be slower without the trace being slower.
 */
export function markCriticalPath(rows: readonly PathRow[]): void {
  const root = rows.reduce<PathRow | undefined>((best, row) => {
    if (row.parent >= 0 || row.start === null) return best;
    return best === undefined || endOf(row) > endOf(best) ? row : best;
  }, undefined);
  if (root === undefined) return;
  const children = groupChildren(rows);
  const stack: [row: PathRow, until: number][] = [[root, endOf(root)]];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const [row, until] = next;
    row.isCritical = true;
    let moment = Math.min(until, endOf(row));
    // By end, the latest first; one that ends after the moment ran beside one that is on the path.
    const ofRow = (children.get(row.index) ?? []).sort((a, b) => endOf(b) - endOf(a));
    for (const child of ofRow) {
      if (child.start === null || endOf(child) > moment || child.start < (row.start ?? 0)) continue;
      stack.push([child, moment]);
      moment = child.start;
    }
  }
}

function endOf(row: PathRow): number {
  return (row.start ?? 0) + row.duration;
}

function groupChildren(rows: readonly PathRow[]): Map<number, PathRow[]> {
  const groups = new Map<number, PathRow[]>();
  for (const row of rows) {
    if (row.parent < 0) continue;
    const group = groups.get(row.parent);
    if (group === undefined) groups.set(row.parent, [row]);
    else group.push(row);
  }
  return groups;
}
