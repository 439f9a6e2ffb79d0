import type { TraceRow } from "./trace-model.ts";

/**
 * Assigns each row a line in the flame graph: below its parent and below siblings that run concurrently.
 * Without lanes, concurrent calls would cover each other.
 * @param rows a trace or the part of one below a root, parents before their children, siblings by their start
 * @returns lines from 0; -1 for a row that has no time
 */
export function layOutLanes(rows: readonly TraceRow[]): {
  readonly lines: Int32Array;
  readonly count: number;
} {
  const lines = new Int32Array(rows.length).fill(-1);
  const first = rows[0]?.index ?? 0;
  const busy: Line[] = [];
  for (const [place, row] of rows.entries()) {
    if (row.start === null) continue;
    const parent = row.parent - first;
    let line = parent >= 0 ? (lines[parent] as number) + 1 : 0;
    const [from, to] = [row.start, row.start + Math.max(row.duration, 1)];
    for (; ; line++) {
      busy[line] ??= { starts: [], ends: [] };
      if (take(busy[line] as Line, from, to)) break;
    }
    lines[place] = line;
  }
  return { lines, count: busy.length };
}

/** The occupied parts of a line, in order and without overlap. */
interface Line {
  readonly starts: number[];
  readonly ends: number[];
}

/** Occupies a part of a line; false if it overlaps an occupied part. */
function take({ starts, ends }: Line, from: number, to: number): boolean {
  // Finds the first part that begins at or after our end. Only the part before it can overlap.
  let [low, high] = [0, starts.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((starts[middle] as number) < to) low = middle + 1;
    else high = middle;
  }
  if (low > 0 && (ends[low - 1] as number) > from) return false;
  starts.splice(low, 0, from);
  ends.splice(low, 0, to);
  return true;
}
