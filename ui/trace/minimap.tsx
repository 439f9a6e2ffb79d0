import { useEffect, useRef } from "preact/hooks";
import { colorOf, SERVICE_COLORS } from "../colors.ts";
import { formatDuration } from "../format.ts";
import { cssColor, paintVersion } from "../shell/theme.ts";
import { layOutMinimap } from "./minimap-grid.ts";
import type { Range, TraceRow } from "./trace-model.ts";

interface MinimapProps {
  readonly rows: readonly TraceRow[];
  readonly whole: Range;
  readonly range: Range;
  readonly onRange: (range: Range) => void;
}

const HEIGHT_PX = 56;
const MARGIN_PX = 3;
/** Least and most height of a line, with the gap below it. */
const [LINE_PX, MAX_LINE_PX] = [3, 4];
const GAP_PX = 1;
/** Of spans that wait for their children, and of the first that works itself: more make it darker. */
const [WAITING_ALPHA, WORKING_ALPHA] = [0.2, 0.4];
/** Least width of what failed, so that one of 20,000 is seen. */
const ERROR_PX = 3;
/** Narrower than this is a click, and a click shows the whole again. */
const MIN_DRAG_PX = 4;

/** The whole trace in small; dragging over it chooses the part that the views show. */
export function Minimap({ rows, whole, range, onRange }: MinimapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = paintVersion.value;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const paint = () => paintRows(element, rows, whole);
    // After the frame with the rows, which do not wait for it.
    const observer = new ResizeObserver(() => setTimeout(paint));
    observer.observe(element);
    return () => observer.disconnect();
  }, [rows, whole.from, whole.to, version]);

  const width = Math.max(whole.to - whole.from, 1);
  const share = (time: number) => ((time - whole.from) / width) * 100;
  const startDrag = (event: PointerEvent) => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    const timeAt = (x: number) =>
      whole.from + (Math.max(0, Math.min(box.width, x - box.left)) / Math.max(box.width, 1)) * width;
    const start = event.clientX;
    const move = (moved: PointerEvent) => {
      if (Math.abs(moved.clientX - start) < MIN_DRAG_PX) return;
      const [a, b] = [timeAt(start), timeAt(moved.clientX)];
      onRange({ from: Math.min(a, b), to: Math.max(a, b) });
    };
    const end = (ended: PointerEvent) => {
      removeEventListener("pointermove", move);
      removeEventListener("pointerup", end);
      if (Math.abs(ended.clientX - start) < MIN_DRAG_PX) onRange(whole);
    };
    addEventListener("pointermove", move);
    addEventListener("pointerup", end);
    event.preventDefault();
  };
  const zoom = (factor: number, shift: number) => {
    const middle = (range.from + range.to) / 2 + shift * (range.to - range.from);
    const half = Math.min(width / 2, Math.max(0.5, ((range.to - range.from) * factor) / 2));
    const from = Math.max(whole.from, Math.min(whole.to - 2 * half, middle - half));
    onRange({ from, to: from + 2 * half });
  };
  const onKeyDown = (event: KeyboardEvent) => {
    const keys: Record<string, () => void> = {
      ArrowLeft: () => zoom(1, -0.2),
      ArrowRight: () => zoom(1, 0.2),
      ArrowUp: () => zoom(0.7, 0),
      ArrowDown: () => zoom(1 / 0.7, 0),
      Escape: () => onRange(whole),
      Home: () => onRange(whole),
    };
    const action = keys[event.key];
    if (action === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    action();
  };
  const [left, right] = [share(range.from), share(range.to)];
  const isWhole = left <= 0.01 && right >= 99.99;
  return (
    <div
      class="minimap"
      role="slider"
      tabIndex={0}
      aria-label="Shown part of the trace"
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={Math.round(left)}
      aria-valuetext={
        isWhole ? "all of the trace" : `${formatDuration(range.from)} to ${formatDuration(range.to)}`
      }
      title="Drag to zoom, click to show all"
      onPointerDown={startDrag}
      onKeyDown={onKeyDown}
    >
      <canvas ref={canvas} height={HEIGHT_PX} />
      {!isWhole && <span class="shade" style={{ left: "0", width: `${left}%` }} />}
      {!isWhole && <span class="shade" style={{ left: `${right}%`, right: "0" }} />}
      {!isWhole && <span class="window" style={{ left: `${left}%`, width: `${right - left}%` }} />}
    </div>
  );
}

/** A line for each span as long as there are enough, then one for as many as have to share it. */
function paintRows(canvas: HTMLCanvasElement, rows: readonly TraceRow[], whole: Range): void {
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.clientWidth, HEIGHT_PX - 2 * MARGIN_PX];
  if (context === null || width === 0) return;
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = HEIGHT_PX * scale;
  context.scale(scale, scale);
  const grid = layOutMinimap(rows, whole, { lines: Math.floor(height / LINE_PX), columns: width });
  const colors = Array.from({ length: SERVICE_COLORS }, (_, index) => cssColor(`--service-${index}`));
  const [errorColor, mixedColor] = [cssColor("--error"), cssColor("--ink-soft")];
  const most = grid.working.reduce((max, count) => Math.max(max, count), 1);
  const step = Math.min(MAX_LINE_PX, height / grid.lines.length);
  const paint = (line: number, counts: Int32Array, alphaOf: (count: number) => number, leastPx = 1) => {
    const first = line * grid.columns;
    for (let from = 0, to = 0; from < grid.columns; from = to) {
      const count = counts[first + from];
      while (to < grid.columns && counts[first + to] === count) to++;
      if (!count) continue;
      context.globalAlpha = alphaOf(count);
      context.fillRect(from, MARGIN_PX + line * step, Math.max(leastPx, to - from), step - GAP_PX);
    }
  };
  grid.lines.forEach(({ service, isError }, line) => {
    const color = service === null ? mixedColor : colors[colorOf(service)];
    context.fillStyle = (isError ? errorColor : color) as string;
    paint(line, grid.running, () => WAITING_ALPHA);
    paint(line, grid.working, (count) => WORKING_ALPHA + (1 - WORKING_ALPHA) * (count / most));
    context.fillStyle = errorColor;
    paint(line, grid.failing, () => 1, ERROR_PX);
  });
}
