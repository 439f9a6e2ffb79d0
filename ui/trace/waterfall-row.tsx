import { colorClass } from "../colors.ts";
import { formatCount, formatDuration } from "../format.ts";
import { CutText } from "../shell/cut-text.tsx";
import { fitNames } from "../shell/fit-text.ts";
import { Icon } from "../shell/icon.tsx";
import { memo } from "../shell/memo.ts";
import type { Namer } from "../shell/short-name.ts";
import type { TraceRow } from "./trace-model.ts";

/** Below this, as in `narrow.css`, an error is an icon without a word. */
const SIGNS_PX = 860;

interface RowProps {
  readonly row: TraceRow;
  readonly top: number;
  readonly indent: number;
  /** Percent of the lane; outside 0 to 100 if the span extends beyond the range. */
  readonly left: number;
  readonly right: number;
  /** Percent of the lane up to which a bar may end and still have its time after it. */
  readonly roomTo: number;
  /** Width of the first column. */
  readonly labelPx: number;
  readonly namer: Namer;
  readonly level: number;
  readonly isSelected: boolean;
  readonly isCollapsed: boolean;
  readonly onSelect: (row: TraceRow) => void;
  readonly onToggle: (row: TraceRow) => void;
}

export const Row = memo(function Row({
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
  const time = timeOf(row);
  const classes = ["row", colorClass(row.service)];
  if (row.isError) classes.push("failed");
  if (isSelected) classes.push("selected");
  if (row.isCritical) classes.push("critical");
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
      <Label
        row={row}
        indentPx={Math.min(indent, labelPx * 0.18)}
        labelPx={labelPx}
        namer={namer}
        isCollapsed={isCollapsed}
        onToggle={onToggle}
      />{" "}
      <Lane row={row} left={left} right={right} roomTo={roomTo} time={time} />
    </div>
  );
});

function timeOf({ start, span, duration }: TraceRow): string {
  if (start === null) return "no time";
  return span.duration === undefined ? "not finished" : formatDuration(duration);
}

interface LabelProps extends Pick<RowProps, "row" | "labelPx" | "namer" | "isCollapsed" | "onToggle"> {
  readonly indentPx: number;
}

/** The first column: the names of the service and the span, and the marks beside them. */
function Label({ row, indentPx, labelPx, namer, isCollapsed, onToggle }: LabelProps) {
  const { service } = row;
  const spanName = row.span.name ?? "";
  const shown = fitNames(service, spanName, labelPx - indentPx - marksWidth(row, isCollapsed), namer);
  return (
    <span class="label" style={{ paddingLeft: `${indentPx.toFixed(1)}px` }} title={`${service} ${spanName}`}>
      <Fold row={row} isCollapsed={isCollapsed} onToggle={onToggle} />
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
    </span>
  );
}

function Fold({ row, isCollapsed, onToggle }: Pick<RowProps, "row" | "isCollapsed" | "onToggle">) {
  if (row.descendants === 0) return <span class="fold" />;
  return (
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
  );
}

interface LaneProps extends Pick<RowProps, "row" | "left" | "right" | "roomTo"> {
  readonly time: string;
}

/** The second column: the bar of the span and its time. */
function Lane({ row, left, right, roomTo, time }: LaneProps) {
  const [from, to] = [Math.max(0, Math.min(100, left)), Math.max(0, Math.min(100, right))];
  const isInSight = right >= 0 && left <= 100;
  // After the bar; before it if there is no room after it; inside it if there is no room before it either.
  const place = to <= roomTo ? "" : from >= 100 - roomTo ? " before" : " inside";
  return (
    <span class="lane">
      {row.start !== null && isInSight && (
        <span
          class={`bar ${row.span.kind?.toLowerCase() ?? "local"}`}
          style={{ left: `${from}%`, width: `${to - from}%` }}
        />
      )}
      {isInSight && (
        <span
          class={`time${place}`}
          style={place === "" ? { left: `${to}%` } : { right: `${100 - (place === " before" ? from : to)}%` }}
        >
          {time}
        </span>
      )}
    </span>
  );
}

/** Width of everything beside the names in the first column, with gaps. */
function marksWidth({ descendants, isError, isOrphan }: TraceRow, isCollapsed: boolean): number {
  const isNarrow = innerWidth <= SIGNS_PX;
  const badge = isCollapsed ? 18 + 7 * (String(descendants).length + 1) : 0;
  const error = isError ? (isNarrow ? 22 : 64) : 0;
  return 38 + badge + error + (isOrphan ? 102 : 0);
}

/**
 * The accessible name: the visible text in the same order, and the critical path, which is only a line on
 * the screen.
 */
function nameOf(row: TraceRow, time: string, isCollapsed: boolean): string {
  const parts = [row.service, row.span.name ?? ""];
  if (isCollapsed) parts.push(`+${row.descendants}`);
  if (row.isError) parts.push("error");
  if (row.isOrphan) parts.push("parent missing");
  return `${parts.filter(Boolean).join(" ")} ${time}${row.isCritical ? ", on the critical path" : ""}`;
}
