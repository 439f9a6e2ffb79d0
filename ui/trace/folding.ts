import { useMemo, useState } from "preact/hooks";
import type { TraceRow } from "./trace-model.ts";

/** Tracks the collapsed rows. Collapsing all rows spares the root, which is at `baseDepth`. */
export function useFolding(rows: readonly TraceRow[], baseDepth: number) {
  const [collapsed, setCollapsed] = useState<ReadonlySet<number>>(new Set());
  const visible = useMemo(() => hideCollapsed(rows, collapsed), [rows, collapsed]);
  const toggle = (row: TraceRow) => {
    const next = new Set(collapsed);
    if (!next.delete(row.index) && row.descendants > 0) next.add(row.index);
    setCollapsed(next);
  };
  const collapseOrExpand = () => {
    if (collapsed.size > 0) return setCollapsed(new Set());
    const parents = rows.filter((row) => row.descendants > 0 && row.depth > baseDepth);
    setCollapsed(new Set(parents.map((row) => row.index)));
  };
  return { visible, collapsed, toggle, collapseOrExpand };
}

function hideCollapsed(rows: readonly TraceRow[], collapsed: ReadonlySet<number>): readonly TraceRow[] {
  if (collapsed.size === 0) return rows;
  const visible: TraceRow[] = [];
  let hiddenTo = -1;
  for (const row of rows) {
    if (row.index <= hiddenTo) continue;
    visible.push(row);
    if (collapsed.has(row.index)) hiddenTo = row.index + row.descendants;
  }
  return visible;
}
