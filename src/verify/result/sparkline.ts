const BARS = "▁▂▃▄▅▆▇█";

/** Draws one character per value, or per group of values if there are more than `width`. Zero is a blank. */
export function renderSparkline(values: readonly number[], width = 60): string {
  const cells = groupValues(values, width);
  const highest = Math.max(...cells, 0);
  if (highest === 0) return " ".repeat(cells.length);
  return cells
    .map((value) => (value === 0 ? " " : BARS[Math.ceil((value / highest) * BARS.length) - 1]))
    .join("");
}

/** Adds up neighboring values so that at most `width` remain. */
function groupValues(values: readonly number[], width: number): number[] {
  const perCell = Math.max(1, Math.ceil(values.length / width));
  const cells: number[] = [];
  for (let from = 0; from < values.length; from += perCell) {
    cells.push(values.slice(from, from + perCell).reduce((sum, value) => sum + value, 0));
  }
  return cells;
}
