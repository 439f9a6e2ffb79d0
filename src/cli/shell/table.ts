import { visibleCell } from "../../lib/visible-text.ts";

export interface Column {
  readonly title: string;
  /** Numbers are right-aligned. @default "left" */
  readonly align?: "left" | "right";
}

/** Renders columns as wide as their widest cell, two spaces apart, like kubectl. Each row is one line. */
export function renderTable(columns: readonly Column[], texts: readonly (readonly string[])[]): string[] {
  const [titles = [], ...rows] = [columns.map(({ title }) => title), ...texts].map((row) =>
    row.map(visibleCell),
  );
  const widths = titles.map((title, index) =>
    Math.max(title.length, ...rows.map((row) => (row[index] ?? "").length)),
  );
  const renderRow = (cells: readonly string[]) =>
    columns
      .map(({ align }, index) => {
        const cell = cells[index] ?? "";
        const width = widths[index] ?? 0;
        return align === "right" ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd();
  return [renderRow(titles), ...rows.map(renderRow)];
}
