import type { TraceRow } from "./trace-model.ts";

/**
 * The line of each row in a flame graph, by its place in `rows`: below its parent, and below whatever of its siblings runs at the
 * same time. Without lanes concurrent calls would lie over each other.
 * @param rows a trace or the part of one below a root, parents before their children, siblings by their start
 * @returns lines from 0; -1 for a row that has no time
 */
export function layOutLanes(rows: readonly TraceRow[]): {
  readonly lines: Int32Array;
  readonly count: number;
} {
  const lines = new Int32Array(rows.length).fill(-1);
  const first = rows[0]?.index ?? 0;
  // Where each line is free from: as rows come by their start within a family, but a deeper family may reach further.
  const busy: { from: number; to: number }[][] = [];
  let count = 0;
  for (const [place, row] of rows.entries()) {
    if (row.start === null) continue;
    const parent = row.parent - first;
    let line = parent >= 0 ? Math.max(0, (lines[parent] as number) + 1) : 0;
    const [from, to] = [row.start, row.start + Math.max(row.duration, 1)];
    while (isBusy(busy[line], from, to)) line++;
    lines[place] = line;
    const list = busy[line];
    if (list === undefined) busy[line] = [{ from, to }];
    else list.push({ from, to });
    count = Math.max(count, line + 1);
  }
  return { lines, count };
}

/** What came last is looked at first: it is the likeliest to be in the way. */
function isBusy(
  list: readonly { from: number; to: number }[] | undefined,
  from: number,
  to: number,
): boolean {
  if (list === undefined) return false;
  for (let index = list.length - 1; index >= 0; index--) {
    const other = list[index] as { from: number; to: number };
    if (other.from < to && other.to > from) return true;
  }
  return false;
}
