import type { Range, TraceRow } from "./trace-model.ts";

/**
 * Counts of spans in each cell of the minimap, in which rows share lines and time is cut into columns. The
 * index of a cell is `line * columns + column`.
 *
 *            time →
 *     line 0 ██░░░░░░██    █ is busy itself
 *     line 1   ███░░█      ░ waits for its children
 */
export interface MinimapGrid {
  readonly lines: readonly MinimapLine[];
  readonly columns: number;
  readonly running: Int32Array;
  /** Running spans none of whose children runs. */
  readonly working: Int32Array;
  /** Working spans that have an error. */
  readonly failing: Int32Array;
}

interface MinimapLine {
  /** The service with more than half of the line's time; `null` if there is none. */
  readonly service: string | null;
  /** All spans of the line have an error. */
  readonly isError: boolean;
}

/** Counts spans. A span is in every column that it touches, so that even the shortest one is visible. */
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
  /** Children are sorted by start, so earlier children cover their parent up to a single column. */
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

/**
 * Adds `by` spans to the cells from `from` to `to`, by noting only the two ends; `sumUp` turns the notes
 * into counts.
 */
function change(grid: Int32Array, from: number, to: number, by: number): void {
  grid[from] = (grid[from] as number) + by;
  // At the end of a line this is the first cell of the next line, so no count runs into it.
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
