import { colorOf, SERVICE_COLORS } from "../colors.ts";
import { cssColor } from "../shell/theme.ts";
import { layOutMinimap } from "./minimap-grid.ts";
import type { Range, TraceRow } from "./trace-model.ts";

export const HEIGHT_PX = 56;
const MARGIN_PX = 3;
/** Minimum and maximum height of a line, with the gap below it. */
const [LINE_PX, MAX_LINE_PX] = [3, 4];
const GAP_PX = 1;
/**
 * Opacity of spans that wait for their children, and of a single working span; more working spans are
 * darker.
 */
const [WAITING_ALPHA, WORKING_ALPHA] = [0.2, 0.4];
/** Minimum width of a failed span, so that one of 20,000 is visible. */
const ERROR_PX = 3;

/** Paints a line for each span; if there are too many spans, several share a line. */
export function paintRows(canvas: HTMLCanvasElement, rows: readonly TraceRow[], whole: Range): void {
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
