import { useEffect, useRef } from "preact/hooks";
import uPlot from "uplot";
import { marks } from "../control/control-client.ts";
import { formatClock } from "../format.ts";
import { cssColor, paintVersion } from "./theme.ts";

export interface Line {
  readonly title: string;
  /** Name of a CSS color variable. */
  readonly color: string;
  readonly values: readonly (number | null)[];
  readonly dash?: readonly number[];
}

interface TimeChartProps {
  readonly title: string;
  /** Seconds since 1970. */
  readonly times: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
  readonly heightPx?: number;
}

/** A chart of numbers over time, with a mark at each change of load or faults. */
export function TimeChart({ title, times, lines, format, heightPx = 110 }: TimeChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const version = paintVersion.value;
  const made = marks.value;
  const shape = `${version} ${lines.map((line) => line.title).join()} ${heightPx}`;
  const data: uPlot.AlignedData = [[...times], ...lines.map((line) => [...line.values])];
  const latest = useRef({ data, format });
  latest.current = { data, format };

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const built = new uPlot(
      optionsOf({
        widthPx: Math.max(element.clientWidth, 100),
        heightPx,
        lines,
        format: (value) => latest.current.format(value),
      }),
      latest.current.data,
      element,
    );
    chart.current = built;
    const observer = new ResizeObserver(() =>
      built.setSize({ width: element.clientWidth, height: heightPx }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
      chart.current = null;
    };
  }, [shape]);

  useEffect(() => {
    chart.current?.setData(data);
  }, [times, made]);

  const now = (line: Line) => {
    const value = line.values.findLast((one) => one !== null);
    return value === null || value === undefined ? "–" : format(value);
  };
  return (
    <figure class="chart">
      <figcaption>
        <b>{title}</b>
        {lines.map((line) => (
          <span key={line.title} class="legend">
            <i class={`key ${line.color.slice(2)}${line.dash ? " dashed" : ""}`} />
            {line.title} {now(line)}
          </span>
        ))}
      </figcaption>
      <div
        ref={box}
        class="plot"
        // From the first frame on, so that the content below does not jump.
        style={{ minHeight: `${heightPx}px` }}
        role="img"
        aria-label={`${title}: ${lines.map((line) => `${line.title} ${now(line)}`).join(", ")}`}
      />
    </figure>
  );
}

interface ChartOptions {
  readonly widthPx: number;
  readonly heightPx: number;
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

function optionsOf({ widthPx, heightPx, lines, format }: ChartOptions): uPlot.Options {
  const grid = { stroke: cssColor("--line"), width: 1 };
  const axis = {
    stroke: cssColor("--ink-soft"),
    font: "11px system-ui, sans-serif",
    grid,
    ticks: { show: false },
  };
  return {
    width: widthPx,
    height: heightPx,
    legend: { show: false },
    cursor: { y: false, points: { size: 5 }, drag: { x: false, y: false } },
    // Half of the last time label lies outside the chart.
    padding: [8, 28, 0, 0],
    scales: { y: { range: (_chart, _min, max) => [0, Math.max(max * 1.15, 1e-6)] } },
    axes: [
      {
        ...axis,
        size: 22,
        space: 70,
        grid: { show: false },
        values: (_chart, splits) => splits.map((split) => formatClock(split * 1000)),
      },
      {
        ...axis,
        size: 58,
        space: 28,
        values: (_chart, splits) => splits.map((split) => format(split)),
      },
    ],
    series: [
      {},
      ...lines.map((line) => ({
        label: line.title,
        stroke: cssColor(line.color),
        width: 1.5,
        points: { show: false },
        ...(line.dash && { dash: [...line.dash] }),
      })),
    ],
    hooks: { draw: [drawMarks] },
  };
}

function drawMarks(chart: uPlot): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = cssColor("--mark");
  ctx.setLineDash([4 * devicePixelRatio, 3 * devicePixelRatio]);
  ctx.lineWidth = devicePixelRatio;
  for (const { time } of marks.value) {
    const x = chart.valToPos(time / 1000, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}
