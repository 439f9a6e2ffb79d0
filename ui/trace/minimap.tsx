import { useEffect, useRef } from "preact/hooks";
import { formatDuration } from "../format.ts";
import { paintVersion } from "../shell/theme.ts";
import { HEIGHT_PX, paintRows } from "./minimap-paint.ts";
import type { Range, TraceRow } from "./trace-model.ts";

interface MinimapProps {
  readonly rows: readonly TraceRow[];
  readonly whole: Range;
  readonly range: Range;
  readonly onRange: (range: Range) => void;
}

/** A drag narrower than this is a click, and a click shows the whole trace again. */
const MIN_DRAG_PX = 4;

/** A miniature of the whole trace. Dragging over it selects the part that the views show. */
export function Minimap({ rows, whole, range, onRange }: MinimapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const version = paintVersion.value;
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const paint = () => paintRows(element, rows, whole);
    // Paints after the frame that shows the rows, so that they do not wait for it.
    const observer = new ResizeObserver(() => setTimeout(paint));
    observer.observe(element);
    return () => observer.disconnect();
  }, [rows, whole.from, whole.to, version]);

  const share = (time: number) => ((time - whole.from) / widthOf(whole)) * 100;
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
      onPointerDown={(event) => startDrag(event, { whole, onRange })}
      onKeyDown={(event) => moveByKeys(event, { whole, range, onRange })}
    >
      <canvas ref={canvas} height={HEIGHT_PX} />
      {!isWhole && <span class="shade" style={{ left: "0", width: `${left}%` }} />}
      {!isWhole && <span class="shade" style={{ left: `${right}%`, right: "0" }} />}
      {!isWhole && <span class="window" style={{ left: `${left}%`, width: `${right - left}%` }} />}
    </div>
  );
}

/** Duration of the whole trace in microseconds; at least 1, so that it can be a divisor. */
function widthOf(whole: Range): number {
  return Math.max(whole.to - whole.from, 1);
}

function startDrag(event: PointerEvent, { whole, onRange }: Pick<MinimapProps, "whole" | "onRange">): void {
  const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
  const timeAt = (x: number) =>
    whole.from + (Math.max(0, Math.min(box.width, x - box.left)) / Math.max(box.width, 1)) * widthOf(whole);
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
}

/** Scales a range about its middle and shifts it by a share of its width, within the whole trace. */
function zoomed(whole: Range, range: Range, factor: number, shift: number): Range {
  const middle = (range.from + range.to) / 2 + shift * (range.to - range.from);
  const half = Math.min(widthOf(whole) / 2, Math.max(0.5, ((range.to - range.from) * factor) / 2));
  const from = Math.max(whole.from, Math.min(whole.to - 2 * half, middle - half));
  return { from, to: from + 2 * half };
}

type Walk = Pick<MinimapProps, "whole" | "range" | "onRange">;

function moveByKeys(event: KeyboardEvent, { whole, range, onRange }: Walk): void {
  const keys: Record<string, () => void> = {
    ArrowLeft: () => onRange(zoomed(whole, range, 1, -0.2)),
    ArrowRight: () => onRange(zoomed(whole, range, 1, 0.2)),
    ArrowUp: () => onRange(zoomed(whole, range, 0.7, 0)),
    ArrowDown: () => onRange(zoomed(whole, range, 1 / 0.7, 0)),
    Escape: () => onRange(whole),
    Home: () => onRange(whole),
  };
  const action = keys[event.key];
  if (action === undefined) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}
