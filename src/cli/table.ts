export interface Column {
  readonly title: string;
  /** Numbers stand right. @default "left" */
  readonly align?: "left" | "right";
}

/** Rows in columns as wide as their widest cell, two spaces apart, as kubectl prints them. */
export function renderTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string[] {
  const widths = columns.map(({ title }, index) =>
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
  return [renderRow(columns.map(({ title }) => title)), ...rows.map(renderRow)];
}
