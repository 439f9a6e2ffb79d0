import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatDuration } from "../format.ts";
import { shorten } from "../shell/short-name.ts";
import { paintVersion } from "../shell/theme.ts";
import { layOutLanes } from "./flame-lanes.ts";
import { LINE_PX, paintFlame } from "./flame-paint.ts";
import { reveal } from "./reveal.ts";
import type { Range, TraceRow } from "./trace-model.ts";

interface FlameProps {
  readonly rows: readonly TraceRow[];
  readonly range: Range;
  readonly selected: TraceRow | undefined;
  readonly onSelect: (row: TraceRow) => void;
}

/** Maximum number of lines: browsers refuse larger canvases. */
const MAX_LINES = 1500;

/**
 * A flame graph: callees below callers, time to the right, concurrent spans in lanes of their own. It is
 * painted on a canvas, because 20,000 elements would be slow. The keys walk along the tree.
 */
export function Flame({ rows, range, selected, onSelect }: FlameProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const lanes = useMemo(() => layOutLanes(rows), [rows]);
  const lines = Math.min(lanes.count, MAX_LINES);
  const version = paintVersion.value;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const paint = () => paintFlame(element, { rows, range, selected, lanes: lanes.lines, lines });
    const observer = new ResizeObserver(paint);
    observer.observe(element);
    return () => observer.disconnect();
  }, [rows, range.from, range.to, selected, lanes, version]);

  useEffect(() => {
    const line = selected && lanes.lines[rows.indexOf(selected)];
    const box = canvas.current?.parentElement;
    if (line !== undefined && box) reveal(box, { top: line * LINE_PX, height: LINE_PX });
  }, [selected, lanes]);

  const find = (event: MouseEvent) => spanAt(event, { rows, range, lanes: lanes.lines });
  const name =
    selected && `${selected.service} ${selected.span.name ?? ""}, ${formatDuration(selected.duration)}`;
  return (
    <section
      class="flame"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys walk along the spans
      tabIndex={0}
      onKeyDown={(event) => walkByKeys(event, { rows, selected, onSelect })}
      aria-label="Flame graph: arrow keys walk along the spans"
    >
      <canvas
        ref={canvas}
        style={{ height: `${lines * LINE_PX}px` }}
        onClick={(event) => {
          const row = find(event);
          if (row !== undefined) onSelect(row);
        }}
        onMouseMove={(event) => {
          const row = find(event);
          event.currentTarget.title = row
            ? `${row.service} ${shorten(row.span.name ?? "", 500)} · ${formatDuration(row.duration)}`
            : "";
        }}
      />
      <p class="sr-only" aria-live="polite">
        {name ?? ""}
      </p>
      {lanes.count > MAX_LINES && (
        <p class="hint">
          The first {MAX_LINES} of {lanes.count} lines. Select a deeper span and press r to see the others.
        </p>
      )}
    </section>
  );
}

interface Found extends Pick<FlameProps, "rows" | "range"> {
  readonly lanes: Int32Array;
}

/** The span under the pointer. */
function spanAt(event: MouseEvent, { rows, range, lanes }: Found): TraceRow | undefined {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const line = Math.floor((event.clientY - box.top) / LINE_PX);
  const perPx = (range.to - range.from) / Math.max(box.width, 1);
  const time = range.from + (event.clientX - box.left) * perPx;
  return rows.find(
    (row, place) =>
      lanes[place] === line &&
      row.start !== null &&
      row.start <= time &&
      Math.max(row.start + row.duration, row.start + perPx) >= time,
  );
}

type Walk = Pick<FlameProps, "rows" | "selected" | "onSelect">;

function walkByKeys(event: KeyboardEvent, { rows, selected, onSelect }: Walk): void {
  const place = selected === undefined ? -1 : rows.indexOf(selected);
  const row = rows[place] ?? rows[0];
  if (row === undefined) return;
  const sibling = (step: 1 | -1) => {
    for (let index = place + step; rows[index] !== undefined; index += step) {
      if (rows[index]?.depth === row.depth) return rows[index];
    }
    return undefined;
  };
  const keys: Record<string, () => TraceRow | undefined> = {
    ArrowDown: () => (row.descendants > 0 ? rows[rows.indexOf(row) + 1] : undefined),
    ArrowUp: () => rows.find((other) => other.index === row.parent),
    ArrowLeft: () => sibling(-1),
    ArrowRight: () => sibling(1),
    Home: () => rows[0],
  };
  const action = keys[event.key];
  if (action === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  const next = action();
  if (next !== undefined) onSelect(next);
}
