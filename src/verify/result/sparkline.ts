const BARS = "▁▂▃▄▅▆▇█";

/** One character for each value, or for each group of values where there are more than `width`; nothing is a blank. */
export function renderSparkline(values: readonly number[], width = 60): string {
  const cells = groupValues(values, width);
  const highest = Math.max(...cells, 0);
  if (highest === 0) return " ".repeat(cells.length);
  return cells
    .map((value) => (value === 0 ? " " : BARS[Math.ceil((value / highest) * BARS.length) - 1]))
    .join("");
}

/** Sums of neighbors, so that there are at most `width`. */
export function groupValues(values: readonly number[], width: number): number[] {
  const perCell = Math.max(1, Math.ceil(values.length / width));
  const cells: number[] = [];
  for (let from = 0; from < values.length; from += perCell) {
    cells.push(values.slice(from, from + perCell).reduce((sum, value) => sum + value, 0));
  }
  return cells;
}
