import { useMemo, useState } from "preact/hooks";
import { colorClass } from "../colors.ts";
import { formatDuration } from "../format.ts";
import { CutText } from "../shell/cut-text.tsx";
import { fitText, fontOf } from "../shell/fit-text.ts";
import { namerOf } from "../shell/short-name.ts";
import { useWidth } from "../shell/use-width.ts";
import type { TraceRow } from "./trace-model.ts";
import { ROW_PX, useVirtualRows } from "./virtual-rows.ts";

interface SpanTableProps {
  readonly rows: readonly TraceRow[];
  readonly selected: TraceRow | undefined;
  readonly onSelect: (row: TraceRow) => void;
}

type Column = {
  readonly title: string;
  readonly key: string;
  readonly of: (row: TraceRow) => string | number;
};

const COLUMNS: readonly Column[] = [
  { title: "Service", key: "service", of: (row) => row.service },
  { title: "Span", key: "name", of: (row) => row.span.name ?? "" },
  { title: "Start", key: "start", of: (row) => row.start ?? -1 },
  { title: "Duration", key: "duration", of: (row) => row.duration },
  { title: "Self time", key: "self", of: (row) => row.selfTime },
  { title: "Kind", key: "kind", of: (row) => row.span.kind ?? "local" },
  { title: "Status", key: "status", of: statusOf },
];

interface Sort {
  readonly key: string;
  readonly isDown: boolean;
}

/** Width of the status column without its padding. */
const STATUS_PX = 84;
/** Width of a swatch with the gap after it. */
const SWATCH_PX = 16;
/** Height of the head with its border, as in `span-table.css`. */
const HEAD_PX = 31;

/** A table of spans that can be sorted by any column. */
export function SpanTable({ rows, selected, onSelect }: SpanTableProps) {
  const [sort, setSort] = useState<Sort>({ key: "start", isDown: false });
  const sorted = useMemo(() => sortRows(rows, sort), [rows, sort]);
  const place = selected === undefined ? -1 : sorted.indexOf(selected);
  const { box, from, to, heightPx } = useVirtualRows(sorted.length, { place, headPx: HEAD_PX });
  const [servicePx, namePx] = [useWidth(box, "th.service"), useWidth(box, "th.name")];
  const namer = useMemo(() => namerOf([...new Set(rows.map(({ service }) => service))]), [rows]);
  const fitService = (service: string) => {
    const whole = fitText(service, servicePx - SWATCH_PX, fontOf(13));
    return whole === service ? whole : fitText(namer(service), servicePx - SWATCH_PX, fontOf(13));
  };
  const above = from * ROW_PX;
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reached by keyboard
    <section class="span-table" ref={box} tabIndex={0} aria-label="Spans as a table">
      <table aria-rowcount={sorted.length + 1}>
        <Head sort={sort} onSort={setSort} />
        <tbody>
          {above > 0 && <tr style={{ height: `${above}px` }} />}
          {sorted.slice(from, to).map((row, offset) => (
            <tr
              key={row.index}
              aria-rowindex={from + offset + 2}
              class={`${colorClass(row.service)}${row === selected ? " selected" : ""}${row.isError ? " failed" : ""}`}
              onClick={() => onSelect(row)}
            >
              <td class="service">
                <i class="swatch" />
                <button type="button" class="link" title={row.service} onClick={() => onSelect(row)}>
                  <CutText text={row.service} shown={fitService(row.service)} />
                </button>
              </td>
              <td class="name" title={row.span.name}>
                <CutText
                  text={row.span.name ?? ""}
                  shown={fitText(row.span.name ?? "", namePx, fontOf(13))}
                />
              </td>
              <td class="start">{row.start === null ? "" : formatDuration(row.start)}</td>
              <td class="duration">{row.span.duration === undefined ? "" : formatDuration(row.duration)}</td>
              <td class="self">{row.span.duration === undefined ? "" : formatDuration(row.selfTime)}</td>
              <td class="kind">{row.span.kind?.toLowerCase() ?? "local"}</td>
              <td class="status">{fitText(statusOf(row), STATUS_PX, fontOf(13))}</td>
            </tr>
          ))}
          {to < sorted.length && <tr style={{ height: `${heightPx - to * ROW_PX}px` }} />}
        </tbody>
      </table>
    </section>
  );
}

interface HeadProps {
  readonly sort: Sort;
  readonly onSort: (sort: Sort) => void;
}

function Head({ sort, onSort }: HeadProps) {
  return (
    <thead>
      <tr>
        {COLUMNS.map(({ title, key }) => (
          <th
            key={key}
            scope="col"
            class={key}
            aria-sort={sort.key === key ? (sort.isDown ? "descending" : "ascending") : "none"}
          >
            <button type="button" onClick={() => onSort(nextSort(sort, key))}>
              <span>{title}</span>
              <span class="arrow" aria-hidden="true">
                {sort.key === key ? (sort.isDown ? "↓" : "↑") : ""}
              </span>
            </button>
          </th>
        ))}
      </tr>
    </thead>
  );
}

/** Reverses the order of a column that is sorted already. Times begin with the longest. */
function nextSort(sort: Sort, key: string): Sort {
  return { key, isDown: sort.key === key ? !sort.isDown : key === "duration" || key === "self" };
}

function sortRows(rows: readonly TraceRow[], sort: Sort): TraceRow[] {
  const of = COLUMNS.find(({ key }) => key === sort.key)?.of ?? (() => 0);
  const sign = sort.isDown ? -1 : 1;
  return [...rows].sort((a, b) => {
    const [x, y] = [of(a), of(b)];
    return (x < y ? -1 : x > y ? 1 : a.index - b.index) * sign;
  });
}

function statusOf({ span, isError }: TraceRow): string {
  const code = span.tags?.["http.response.status_code"] ?? span.tags?.["http.status_code"] ?? "";
  return isError ? `${code} error`.trim() : code;
}
