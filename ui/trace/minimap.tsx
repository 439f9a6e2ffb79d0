import { useEffect, useRef } from "preact/hooks";
import { colorOf, SERVICE_COLORS } from "../colors.ts";
import { formatDuration } from "../format.ts";
import { cssColor, paintVersion } from "../shell/theme.ts";
import type { TraceRow } from "./trace-model.ts";
import type { Range } from "./waterfall.tsx";

interface MinimapProps {
  readonly rows: readonly TraceRow[];
  readonly whole: Range;
  readonly range: Range;
  readonly onRange: (range: Range) => void;
}

const HEIGHT_PX = 56;
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
    const observer = new ResizeObserver(paint);
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
      title="Drag to zoom, click for all"
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

function paintRows(canvas: HTMLCanvasElement, rows: readonly TraceRow[], whole: Range): void {
  const context = canvas.getContext("2d");
  const [width, height] = [canvas.clientWidth, HEIGHT_PX];
  if (context === null || width === 0) return;
  const scale = devicePixelRatio || 1;
  canvas.width = width * scale;
  canvas.height = height * scale;
  context.scale(scale, scale);
  const colors = Array.from({ length: SERVICE_COLORS }, (_, index) => cssColor(`--service-${index}`));
  const errorColor = cssColor("--error");
  const step = (height - 6) / Math.max(rows.length, 12);
  const thickness = Math.max(1, Math.min(3, step * 0.8));
  const perMicro = width / Math.max(whole.to - whole.from, 1);
  context.globalAlpha = rows.length > 2000 ? 0.6 : 0.9;
  rows.forEach((row, index) => {
    if (row.start === null) return;
    context.fillStyle = row.isError ? errorColor : (colors[colorOf(row.service)] as string);
    const x = (row.start - whole.from) * perMicro;
    context.fillRect(x, 3 + index * step, Math.max(1, row.duration * perMicro), thickness);
  });
}
