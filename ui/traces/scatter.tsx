import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import type { TraceSummary } from "../../src/contract/trace-summary.ts";
import { formatClock, formatDay, formatDuration } from "../format.ts";
import { linkTo, navigate } from "../shell/address.ts";
import { shorten } from "../shell/short-name.ts";
import { cssColor, paintVersion } from "../shell/theme.ts";

export interface ScatterProps {
  readonly traces: readonly TraceSummary[];
  /** Called when a part was chosen by dragging; `null` if parts cannot be chosen. */
  readonly onChoose: ((part: Part) => void) | null;
}

/** A part of the chart: times in milliseconds since 1970, durations in microseconds. */
interface Part {
  readonly fromMs: number;
  readonly toMs: number;
  readonly min: number;
  readonly max: number;
}

const HEIGHT_PX = 150;
const REACH_PX = 14;

/**
 * A chart of duration over time with a dot for each trace. A click opens a trace, and dragging narrows the
 * search. The list shows the same data.
 */
export function Scatter({ traces, onChoose }: ScatterProps) {
  const box = useRef<HTMLDivElement>(null);
  const chart = useRef<uPlot | null>(null);
  const [near, setNear] = useState<TraceSummary | null>(null);
  const version = paintVersion.value;
  const sorted = [...traces].filter((trace) => trace.timestamp > 0).sort((a, b) => a.timestamp - b.timestamp);
  const canChoose = onChoose !== null;
  const latest = useRef({ sorted, onChoose });
  latest.current = { sorted, onChoose };
  const data = dataOf(sorted);

  useEffect(() => {
    const element = box.current;
    if (element === null) return;
    const built = createChart(element, {
      canChoose,
      tracesNow: () => latest.current.sorted,
      onNear: setNear,
      onChoose: (part) => latest.current.onChoose?.(part),
    });
    chart.current = built;
    const observer = new ResizeObserver(() =>
      built.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      built.destroy();
    };
  }, [version, canChoose]);
  useEffect(() => chart.current?.setData(data), [traces]);
  return (
    <figure class={`chart scatter${near ? " can-open" : ""}`}>
      <Caption near={near} canChoose={canChoose} />
      <div
        ref={box}
        class="plot"
        style={{ minHeight: `${HEIGHT_PX}px` }}
        role="img"
        aria-label={`Durations of ${traces.length} traces over time; the list below has the same`}
      />
    </figure>
  );
}

function Caption({ near, canChoose }: { near: TraceSummary | null; canChoose: boolean }) {
  return (
    <figcaption>
      <b>Duration over time</b>
      <span class="legend">
        <i class="key series-1" /> trace
      </span>
      <span class="legend">
        <i class="key error" /> with errors
      </span>
      <span class="legend near">
        {near === null
          ? canChoose
            ? "drag to narrow the search"
            : "click to open a trace"
          : `${shorten(near.serviceName ?? "", 24)} ${shorten(near.spanName ?? "", 24)} ${formatDuration(near.duration)}`}
      </span>
    </figcaption>
  );
}

interface ChartOptions {
  readonly canChoose: boolean;
  /** The traces that the chart shows at the moment, ordered by time. */
  readonly tracesNow: () => readonly TraceSummary[];
  readonly onNear: (trace: TraceSummary | null) => void;
  readonly onChoose: (part: Part) => void;
}

function createChart(element: HTMLElement, { canChoose, tracesNow, onNear, onChoose }: ChartOptions): uPlot {
  let isDragged = false;
  const built = new uPlot(
    {
      width: Math.max(element.clientWidth, 100),
      height: HEIGHT_PX,
      legend: { show: false },
      // Half of the last time label lies outside the chart.
      padding: [10, 40, 0, 0],
      cursor: {
        x: false,
        y: false,
        points: { show: false },
        drag: { x: canChoose, y: canChoose, setScale: false, dist: 6 },
      },
      scales: { y: { distr: 3, range: (_chart, min, max) => decades(min, max) } },
      axes: axesOf(),
      series: [{}, dots(cssColor("--series-1"), 6), dots(cssColor("--error"), 8)],
      hooks: {
        setCursor: [(plot) => onNear(nearest(plot, tracesNow()))],
        setSelect: [
          (plot) => {
            const { width, height } = plot.select;
            isDragged = width > 0 || height > 0;
            if (!isDragged) return;
            onChoose(selectionOf(plot));
            plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
          },
        ],
      },
    },
    dataOf(tracesNow()),
    element,
  );
  built.over.addEventListener("click", () => {
    const trace = isDragged ? null : nearest(built, tracesNow());
    isDragged = false;
    if (trace !== null) navigate(linkTo({ trace: trace.traceId }));
  });
  return built;
}

function axesOf(): uPlot.Axis[] {
  const axis = {
    stroke: cssColor("--ink-soft"),
    font: "11px system-ui, sans-serif",
    grid: { stroke: cssColor("--line"), width: 1 },
    ticks: { show: false },
  };
  return [
    {
      ...axis,
      size: 22,
      space: 90,
      grid: { show: false },
      values: (_chart, splits, _axis, _space, step) => splits.map((time) => formatTick(time, step)),
    },
    {
      ...axis,
      size: 72,
      space: 24,
      splits: (_chart, _axis, min, max) => powersOfTen(min, max),
      values: (_chart, splits) => splits.map((it) => (it === null ? "" : formatDuration(it))),
    },
  ];
}

function dots(color: string, size: number): uPlot.Series {
  return {
    stroke: color,
    paths: () => null,
    points: { show: true, size, stroke: color, fill: color, width: 0 },
  };
}

/** The part of the chart that was dragged over. */
function selectionOf(plot: uPlot): Part {
  const { left, top, width, height } = plot.select;
  return {
    fromMs: plot.posToVal(left, "x") * 1000,
    toMs: plot.posToVal(left + Math.max(width, 1), "x") * 1000,
    max: plot.posToVal(top, "y"),
    min: plot.posToVal(top + Math.max(height, 1), "y"),
  };
}

function dataOf(sorted: readonly TraceSummary[]): uPlot.AlignedData {
  const at = (trace: TraceSummary) => Math.max(trace.duration, 1);
  return [
    sorted.map((trace) => trace.timestamp / 1e6),
    sorted.map((trace) => (trace.errorCount === 0 ? at(trace) : null)),
    sorted.map((trace) => (trace.errorCount > 0 ? at(trace) : null)),
  ];
}

const DAY_SECONDS = 24 * 60 * 60;

/**
 * Shows only the part of a time that changes between ticks. Both `time`, since 1970, and `step` are in
 * seconds.
 */
function formatTick(time: number, step: number): string {
  if (step >= DAY_SECONDS) return formatDay(new Date(time * 1000));
  const ms = Math.round(time * 1000);
  if (step >= 60) return formatClock(ms).slice(0, 5);
  return formatClock(ms) + (step >= 1 ? "" : `.${String(ms % 1000).padStart(3, "0")}`);
}

function powersOfTen(min: number, max: number): number[] {
  const powers: number[] = [];
  for (let power = 10 ** Math.round(Math.log10(min)); power <= max * 1.01; power *= 10) powers.push(power);
  return powers;
}

function decades(min: number | null, max: number | null): [number, number] {
  const low = 10 ** Math.floor(Math.log10(Math.max(min ?? 100, 1)));
  return [low, Math.max(10 ** Math.ceil(Math.log10(Math.max(max ?? 1000, 1))), low * 10)];
}

function nearest(plot: uPlot, sorted: readonly TraceSummary[]): TraceSummary | null {
  const { left = -1, top = -1 } = plot.cursor;
  if (left < 0 || top < 0) return null;
  let best: TraceSummary | null = null;
  let least = REACH_PX;
  for (const trace of sorted) {
    const dx = plot.valToPos(trace.timestamp / 1e6, "x") - left;
    const dy = plot.valToPos(Math.max(trace.duration, 1), "y") - top;
    const distance = Math.hypot(dx, dy);
    if (distance < least) [best, least] = [trace, distance];
  }
  return best;
}
