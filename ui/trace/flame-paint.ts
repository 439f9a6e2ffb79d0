import { colorOf, SERVICE_COLORS } from "../colors.ts";
import { fitNames, fontOf } from "../shell/fit-text.ts";
import { namerOf } from "../shell/short-name.ts";
import { cssColor } from "../shell/theme.ts";
import type { Range, TraceRow } from "./trace-model.ts";

/** Height of a line of the flame graph. */
export const LINE_PX = 20;
const TEXT_FROM_PX = 36;

interface Painted {
  readonly rows: readonly TraceRow[];
  readonly range: Range;
  readonly selected: TraceRow | undefined;
  readonly lanes: Int32Array;
  readonly lines: number;
}

export function paintFlame(
  canvas: HTMLCanvasElement,
  { rows, range, selected, lanes, lines }: Painted,
): void {
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
