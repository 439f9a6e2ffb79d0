import type { Range, TraceRow } from "./trace-model.ts";

/**
 * How many spans there are in each cell of a picture of a trace whose rows share some lines and whose time is cut into
 * columns. A cell is `line * columns + column`.
 *
 *            time →
 *     line 0 ██░░░░░░██    █ works itself
 *     line 1   ███░░█      ░ waits for its children
 */
export interface MinimapGrid {
  readonly lines: readonly MinimapLine[];
  readonly columns: number;
  readonly running: Int32Array;
  /** Of those that run: none of their children does. */
  readonly working: Int32Array;
  /** Of those that work: they have an error. */
  readonly failing: Int32Array;
}

interface MinimapLine {
  /** Whose spans have more than half of the line's time; `null`: nobody's. */
  readonly service: string | null;
  /** All spans of the line have an error. */
  readonly isError: boolean;
}

/** A span is in each column that it touches, so that the shortest is in one. */
export function layOutMinimap(
  rows: readonly TraceRow[],
  whole: Range,
  size: { readonly lines: number; readonly columns: number },
): MinimapGrid {
  const { columns } = size;
  const lines = Math.min(rows.length, size.lines);
  const lineOf = (place: number) => Math.floor((place * lines) / rows.length);
  const perMicro = columns / Math.max(whole.to - whole.from, 1);
  const running = new Int32Array(lines * columns);
  const working = new Int32Array(lines * columns);
  const failing = new Int32Array(lines * columns);
  const offset = rows[0]?.index ?? 0;
  const ends = new Int32Array(rows.length);
  /** Children come by start, so what those before cover reaches from the start of their parent to one column. */
  const coveredTo = new Int32Array(rows.length);
  rows.forEach((row, place) => {
    if (row.start === null) return;
    const start = Math.floor((row.start - whole.from) * perMicro);
    const from = Math.max(0, Math.min(columns - 1, start));
    const end = Math.ceil((row.start + row.duration - whole.from) * perMicro);
    const to = Math.max(from + 1, Math.min(columns, end));
    [ends[place], coveredTo[place]] = [to, from];
    const cell = lineOf(place) * columns;
    for (const grid of row.isError ? [running, working, failing] : [running, working]) {
      change(grid, cell + from, cell + to, 1);
    }
    const parent = row.parent - offset;
    const coveredFrom = Math.max(from, coveredTo[parent] ?? columns);
    const covered = Math.min(to, ends[parent] ?? 0);
    if (covered <= coveredFrom) return;
    coveredTo[parent] = covered;
    const parentCell = lineOf(parent) * columns;
    for (const grid of rows[parent]?.isError ? [working, failing] : [working]) {
      change(grid, parentCell + coveredFrom, parentCell + covered, -1);
    }
  });
  for (const grid of [running, working, failing]) sumUp(grid);
  return { lines: describeLines(rows, lines, lineOf), columns, running, working, failing };
}

/** Notes where a number of spans begins and where it ends, whatever lies between; `sumUp` makes counts of that. */
function change(grid: Int32Array, from: number, to: number, by: number): void {
  grid[from] = (grid[from] as number) + by;
  // The first cell of the next line, where one ends with this: nothing runs from a line into the next.
  if (to < grid.length) grid[to] = (grid[to] as number) - by;
}

function sumUp(grid: Int32Array): void {
  let count = 0;
  for (let cell = 0; cell < grid.length; cell++) {
    count += grid[cell] as number;
    grid[cell] = count;
  }
}

function describeLines(
  rows: readonly TraceRow[],
  count: number,
  lineOf: (place: number) => number,
): readonly MinimapLine[] {
  const times = Array.from({ length: count }, () => new Map<string, number>());
  const isError = new Array<boolean>(count).fill(true);
  rows.forEach((row, place) => {
    const line = lineOf(place);
    const time = times[line] as Map<string, number>;
    time.set(row.service, (time.get(row.service) ?? 0) + row.duration + 1);
    if (!row.isError) isError[line] = false;
  });
  return times.map((time, line) => {
    const all = [...time.values()].reduce((sum, one) => sum + one, 0);
    const most = [...time].find(([, one]) => one > all / 2);
    return { service: most?.[0] ?? null, isError: isError[line] as boolean };
  });
}
