import { useEffect, useMemo, useRef } from "preact/hooks";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration } from "../format.ts";
import { CutText } from "../shell/cut-text.tsx";
import { fitNames } from "../shell/fit-text.ts";
import { Icon } from "../shell/icon.tsx";
import { memo } from "../shell/memo.ts";
import { type Namer, namerOf } from "../shell/short-name.ts";
import { useWidth } from "../shell/use-width.ts";
import { roundTicks } from "./ticks.ts";
import type { Range, TraceRow } from "./trace-model.ts";
import { ROW_PX, useVirtualRows } from "./virtual-rows.ts";

interface WaterfallProps {
  /** Those that no collapsed row hides. */
  readonly rows: readonly TraceRow[];
  readonly range: Range;
  /** Depth of the row that counts as the root. */
  readonly baseDepth: number;
  readonly selected: TraceRow | undefined;
  readonly collapsed: ReadonlySet<number>;
  readonly onSelect: (row: TraceRow) => void;
  readonly onToggle: (row: TraceRow) => void;
}

/** Indentation of one level, and of all levels together: a chain of 1,000 links has 2,000 levels. */
const INDENT_PX = 14;
const MAX_INDENT_PX = 150;
/** Percent of the lane from which on the label of a tick ends at it; on a phone there is no room for that. */
const END_FROM = 92;
/** A phone. */
const NARROW_PX = 600;
/** Below this, as in `narrow.css`, an error is a sign without a word. */
const SIGNS_PX = 860;

/** One row a span, only those in sight in the document. */
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
  // Keys work at once, unless something else has the focus. Nobody who uses none is to see a frame around it.
  useEffect(() => {
    if (document.activeElement !== document.body) return;
    box.current?.focus({ preventScroll: true, focusVisible: false });
  }, []);
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

  const onKeyDown = (event: KeyboardEvent) => {
    const row = rows[place];
    const move = (target: number) => {
      const next = rows[Math.max(0, Math.min(rows.length - 1, target))];
      if (next !== undefined) onSelect(next);
    };
    const page = Math.max(1, Math.floor((box.current?.clientHeight ?? 0) / ROW_PX) - 1);
    const isCollapsed = row !== undefined && collapsed.has(row.index);
    const keys: Record<string, () => void> = {
      ArrowDown: () => move(place + 1),
      ArrowUp: () => move(place - 1),
      PageDown: () => move(place + page),
      PageUp: () => move(place - page),
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
  };

  return (
    <div class="waterfall" ref={whole}>
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
      <div
        class="rows"
        ref={box}
        role="tree"
        aria-label="Spans of the trace"
        tabIndex={0}
        aria-activedescendant={selected && place >= from && place < to ? `row-${selected.index}` : undefined}
        onKeyDown={onKeyDown}
      >
        <div class="canvas" role="presentation" style={{ height: `${heightPx}px` }}>
          <div class="grid" role="presentation">
            <span class="lane">
              {ticks.map((tick) => (
                <i key={tick} style={{ left: `${at(tick)}%` }} />
              ))}
            </span>
          </div>
          {/* Not before the width is known: they would be drawn twice. */}
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

interface RowProps extends Pick<WaterfallProps, "onSelect" | "onToggle"> {
  readonly row: TraceRow;
  readonly top: number;
  readonly indent: number;
  /** Percent of the lane; beyond 0 to 100 where the span goes on outside of the range. */
  readonly left: number;
  readonly right: number;
  /** Percent of the lane up to which a bar may end and have its time behind it. */
  readonly roomTo: number;
  /** Width of the first column. */
  readonly labelPx: number;
  readonly namer: Namer;
  readonly level: number;
  readonly isSelected: boolean;
  readonly isCollapsed: boolean;
}

const Row = memo(function Row({
  row,
  top,
  indent,
  left,
  right,
  roomTo,
  labelPx,
  namer,
  level,
  isSelected,
  isCollapsed,
  onSelect,
  onToggle,
}: RowProps) {
  const { span, service } = row;
  const time =
    row.start === null
      ? "no time"
      : span.duration === undefined
        ? "not finished"
        : formatDuration(row.duration);
  const classes = ["row", colorClass(service)];
  if (row.isError) classes.push("failed");
  if (isSelected) classes.push("selected");
  if (row.isCritical) classes.push("critical");
  const spanName = span.name ?? "";
  const indentPx = Math.min(indent, labelPx * 0.18);
  const shown = fitNames(service, spanName, labelPx - indentPx - marksWidth(row, isCollapsed), namer);
  const [from, to] = [Math.max(0, Math.min(100, left)), Math.max(0, Math.min(100, right))];
  const isInSight = right >= 0 && left <= 100;
  // Behind the bar; before it where there is no room behind; inside where there is none before it either.
  const place = to <= roomTo ? "" : from >= 100 - roomTo ? " before" : " inside";
  return (
    // biome-ignore lint/a11y/useFocusableInteractive lint/a11y/useKeyWithClickEvents: the tree has the focus and takes the keys
    <div
      id={`row-${row.index}`}
      class={classes.join(" ")}
      role="treeitem"
      aria-level={level}
      aria-selected={isSelected}
      aria-expanded={row.descendants > 0 ? !isCollapsed : undefined}
      aria-label={nameOf(row, time, isCollapsed)}
      style={{ top: `${top}px` }}
      onClick={() => onSelect(row)}
      onDblClick={() => onToggle(row)}
    >
      <span
        class="label"
        style={{ paddingLeft: `${indentPx.toFixed(1)}px` }}
        title={`${service} ${spanName}`}
      >
        {row.descendants > 0 ? (
          <button
            type="button"
            class="fold"
            tabIndex={-1}
            aria-hidden="true"
            title={isCollapsed ? `Show ${formatCount(row.descendants, "span")} below` : "Collapse"}
            onClick={(event) => {
              event.stopPropagation();
              onToggle(row);
            }}
          >
            <Icon name={isCollapsed ? "right" : "down"} />
          </button>
        ) : (
          <span class="fold" />
        )}
        <i class="swatch" />
        <b>
          <CutText text={service} shown={shown.service} />
        </b>{" "}
        <span class="name">
          <CutText text={spanName} shown={shown.name} />
        </span>{" "}
        {isCollapsed && <span class="badge">+{row.descendants}</span>}{" "}
        {row.isError && (
          <span class="error-mark">
            <Icon name="error" />
            error
          </span>
        )}{" "}
        {row.isOrphan && <span class="orphan-mark">parent missing</span>}
      </span>{" "}
      <span class="lane">
        {row.start !== null && isInSight && (
          <span
            class={`bar ${span.kind?.toLowerCase() ?? "local"}`}
            style={{ left: `${from}%`, width: `${to - from}%` }}
          />
        )}
        {isInSight && (
          <span
            class={`time${place}`}
            style={
              place === "" ? { left: `${to}%` } : { right: `${100 - (place === " before" ? from : to)}%` }
            }
          >
            {time}
          </span>
        )}
      </span>
    </div>
  );
});

/** What stands beside the names in the first column, with its gaps. */
function marksWidth({ descendants, isError, isOrphan }: TraceRow, isCollapsed: boolean): number {
  const isNarrow = innerWidth <= SIGNS_PX;
  const badge = isCollapsed ? 18 + 7 * (String(descendants).length + 1) : 0;
  const error = isError ? (isNarrow ? 22 : 64) : 0;
  return 38 + badge + error + (isOrphan ? 102 : 0);
}

/** As it is to be read: what is seen, in the same order, and what only a line says. */
function nameOf(row: TraceRow, time: string, isCollapsed: boolean): string {
  const parts = [row.service, row.span.name ?? ""];
  if (isCollapsed) parts.push(`+${row.descendants}`);
  if (row.isError) parts.push("error");
  if (row.isOrphan) parts.push("parent missing");
  return `${parts.filter(Boolean).join(" ")} ${time}${row.isCritical ? ", on the critical path" : ""}`;
}
