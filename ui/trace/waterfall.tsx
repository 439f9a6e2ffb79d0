import type { RefObject } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import { formatDuration } from "../format.ts";
import { namerOf } from "../shell/short-name.ts";
import { useWidth } from "../shell/use-width.ts";
import { roundTicks } from "./ticks.ts";
import type { Range, TraceRow } from "./trace-model.ts";
import { ROW_PX, useVirtualRows } from "./virtual-rows.ts";
import { Row } from "./waterfall-row.tsx";

interface WaterfallProps {
  /** The rows that no collapsed row hides. */
  readonly rows: readonly TraceRow[];
  readonly range: Range;
  /** Depth of the row that counts as the root. */
  readonly baseDepth: number;
  readonly selected: TraceRow | undefined;
  readonly collapsed: ReadonlySet<number>;
  readonly onSelect: (row: TraceRow) => void;
  readonly onToggle: (row: TraceRow) => void;
}

/** Indentation of one level, and its maximum for all levels: a chain of 1,000 links has 2,000 levels. */
const INDENT_PX = 14;
const MAX_INDENT_PX = 150;
/** From this percentage of the lane on, the label of a tick ends at the tick instead of beginning there. */
const END_FROM = 92;
/** Below this width the screen is a phone. */
const NARROW_PX = 600;

/** One row per span. Only visible rows are in the document. */
export function Waterfall({
  rows,
  range,
  baseDepth,
  selected,
  collapsed,
  onSelect,
  onToggle,
}: WaterfallProps) {
  const place = selected === undefined ? -1 : rows.indexOf(selected);
  const { box, from, to, heightPx } = useVirtualRows(rows.length, { place });
  useFocusAtFirst(box);
  const deepest = useMemo(
    () => rows.reduce((most, row) => Math.max(most, row.depth - baseDepth), 1),
    [rows, baseDepth],
  );
  const whole = useRef<HTMLDivElement>(null);
  const labelPx = useWidth(whole, ".axis .label");
  const namer = useMemo(() => namerOf([...new Set(rows.map(({ service }) => service))]), [rows]);
  const indent = Math.min(INDENT_PX, MAX_INDENT_PX / deepest);
  const ticks = roundTicks(range.from, range.to, innerWidth < NARROW_PX ? 3 : 5);
  const roomTo = innerWidth < NARROW_PX ? 64 : 82;
  const at = (time: number) => ((time - range.from) / Math.max(range.to - range.from, 1)) * 100;

  return (
    <div class="waterfall" ref={whole}>
      <Axis ticks={ticks} at={at} />
      <div
        class="rows"
        ref={box}
        role="tree"
        aria-label="Spans of the trace"
        tabIndex={0}
        aria-activedescendant={selected && place >= from && place < to ? `row-${selected.index}` : undefined}
        onKeyDown={(event) =>
          walkByKeys(event, { rows, place, collapsed, onSelect, onToggle, perPage: rowsPerPage(box.current) })
        }
      >
        <div class="canvas" role="presentation" style={{ height: `${heightPx}px` }}>
          <Grid ticks={ticks} at={at} />
          {/* Rows wait until the width is known, because they would be rendered twice. */}
          {(labelPx > 0 ? rows.slice(from, to) : []).map((row, offset) => (
            <Row
              key={row.index}
              row={row}
              top={(from + offset) * ROW_PX}
              indent={(row.depth - baseDepth) * indent}
              left={row.start === null ? 0 : at(row.start)}
              right={row.start === null ? 0 : at(row.start + row.duration)}
              roomTo={roomTo}
              labelPx={labelPx}
              namer={namer}
              isSelected={row === selected}
              isCollapsed={collapsed.has(row.index)}
              level={row.depth - baseDepth + 1}
              onSelect={onSelect}
              onToggle={onToggle}
            />
          ))}
        </div>
      </div>
    </div>
  );
}

/** The keys work at once, unless something else has the focus. A reader who uses no keys sees no focus ring. */
function useFocusAtFirst(box: RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    if (document.activeElement !== document.body) return;
    box.current?.focus({ preventScroll: true, focusVisible: false });
  }, []);
}

interface TicksProps {
  readonly ticks: readonly number[];
  /** Percent of the lane at which a time lies. */
  readonly at: (time: number) => number;
}

function Axis({ ticks, at }: TicksProps) {
  return (
    <div class="axis" aria-hidden="true">
      <span class="label">Service and span</span>
      <span class="lane">
        {ticks.map((tick) => (
          <span key={tick} class={at(tick) > END_FROM ? "end" : undefined} style={{ left: `${at(tick)}%` }}>
            {tick === 0 ? "0" : formatDuration(tick)}
          </span>
        ))}
      </span>
    </div>
  );
}

function Grid({ ticks, at }: TicksProps) {
  return (
    <div class="grid" role="presentation">
      <span class="lane">
        {ticks.map((tick) => (
          <i key={tick} style={{ left: `${at(tick)}%` }} />
        ))}
      </span>
    </div>
  );
}

function rowsPerPage(box: HTMLElement | null): number {
  return Math.max(1, Math.floor((box?.clientHeight ?? 0) / ROW_PX) - 1);
}

interface Walk extends Pick<WaterfallProps, "rows" | "collapsed" | "onSelect" | "onToggle"> {
  /** Position of the selected row; -1 if none is in sight. */
  readonly place: number;
  readonly perPage: number;
}

function walkByKeys(
  event: KeyboardEvent,
  { rows, place, perPage, collapsed, onSelect, onToggle }: Walk,
): void {
  const row = rows[place];
  const move = (target: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, target))];
    if (next !== undefined) onSelect(next);
  };
  const isCollapsed = row !== undefined && collapsed.has(row.index);
  const keys: Record<string, () => void> = {
    ArrowDown: () => move(place + 1),
    ArrowUp: () => move(place - 1),
    PageDown: () => move(place + perPage),
    PageUp: () => move(place - perPage),
    Home: () => move(0),
    End: () => move(rows.length - 1),
    ArrowRight: () => (isCollapsed && row ? onToggle(row) : move(place + 1)),
    ArrowLeft: () => {
      if (row === undefined) return;
      if (row.descendants > 0 && !isCollapsed) onToggle(row);
      else move(rows.findIndex((other) => other.index === row.parent));
    },
    Enter: () => row && onToggle(row),
    " ": () => row && onToggle(row),
  };
  const action = keys[event.key];
  if (action === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  event.stopPropagation();
  action();
}
