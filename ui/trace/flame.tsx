import { useEffect, useMemo, useRef } from "preact/hooks";
import { colorOf, SERVICE_COLORS } from "../colors.ts";
import { formatDuration } from "../format.ts";
import { fitNames, fontOf } from "../shell/fit-text.ts";
import { namerOf, shorten } from "../shell/short-name.ts";
import { cssColor, paintVersion } from "../shell/theme.ts";
import { layOutLanes } from "./flame-lanes.ts";
import { reveal } from "./reveal.ts";
import type { Range, TraceRow } from "./trace-model.ts";

interface FlameProps {
  readonly rows: readonly TraceRow[];
  readonly range: Range;
  readonly selected: TraceRow | undefined;
  readonly onSelect: (row: TraceRow) => void;
}

const LINE_PX = 20;
const TEXT_FROM_PX = 36;
/** Browsers refuse canvases of more pixels on a side than this. */
const MAX_LINES = 1500;

/** Callees below callers, time to the right, what runs at the same time in lanes. Drawn, as 20,000 elements would be slow; the keys walk along the tree. */
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

  const find = (event: MouseEvent): TraceRow | undefined => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const line = Math.floor((event.clientY - box.top) / LINE_PX);
    const perPx = (range.to - range.from) / Math.max(box.width, 1);
    const time = range.from + (event.clientX - box.left) * perPx;
    return rows.find(
      (row, place) =>
        lanes.lines[place] === line &&
        row.start !== null &&
        row.start <= time &&
        Math.max(row.start + row.duration, row.start + perPx) >= time,
    );
  };
  const onKeyDown = (event: KeyboardEvent) => {
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
  };
  const name =
    selected && `${selected.service} ${selected.span.name ?? ""}, ${formatDuration(selected.duration)}`;
  return (
    <section
      class="flame"
      // biome-ignore lint/a11y/noNoninteractiveTabindex: arrow keys walk along the spans
      tabIndex={0}
      onKeyDown={onKeyDown}
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

interface Painted extends Omit<FlameProps, "onSelect"> {
  readonly lanes: Int32Array;
  readonly lines: number;
}

function paintFlame(canvas: HTMLCanvasElement, { rows, range, selected, lanes, lines }: Painted): void {
  const context = canvas.getContext("2d");
  const width = canvas.clientWidth;
  if (context === null || width === 0) return;
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = lines * LINE_PX * scale;
  context.scale(scale, scale);
  const colors = Array.from({ length: SERVICE_COLORS }, (_, index) => cssColor(`--service-${index}`));
  const [errorColor, ink, onColor] = [cssColor("--error"), cssColor("--ink"), cssColor("--on-color")];
  context.font = fontOf(12);
  context.textBaseline = "middle";
  const namer = namerOf([...new Set(rows.map(({ service }) => service))]);
  const perMicro = width / Math.max(range.to - range.from, 1);
  for (const [place, row] of rows.entries()) {
    const line = lanes[place] as number;
    if (row.start === null || line >= lines) continue;
    const x = (row.start - range.from) * perMicro;
    const w = Math.max(1, row.duration * perMicro);
    if (x + w < 0 || x > width) continue;
    const [left, right] = [Math.max(0, x), Math.min(width, x + w)];
    const y = line * LINE_PX;
    context.fillStyle = row.isError ? errorColor : (colors[colorOf(row.service)] as string);
    context.globalAlpha = row.span.kind === "CLIENT" ? 0.55 : 0.9;
    context.fillRect(left, y + 1, Math.max(1, right - left - 1), LINE_PX - 2);
    context.globalAlpha = 1;
    if (row === selected) {
      context.strokeStyle = ink;
      context.lineWidth = 2;
      context.strokeRect(left + 1, y + 2, Math.max(1, right - left - 3), LINE_PX - 4);
    }
    if (right - left < TEXT_FROM_PX) continue;
    const { service, name } = fitNames(row.service, row.span.name ?? "", right - left - 10, namer, 12);
    context.fillStyle = row.span.kind === "CLIENT" ? ink : onColor;
    context.fillText(`${service} ${name}`, left + 5, y + LINE_PX / 2);
  }
}
