import { useEffect, useMemo, useState } from "preact/hooks";
import { address, linkHere, linkTo, navigate } from "../shell/address.ts";
import { Icon } from "../shell/icon.tsx";
import { useKeys } from "../shell/keys.ts";
import { Notice } from "../shell/notice.tsx";
import { shorten } from "../shell/short-name.ts";
import { wayBack } from "../traces/way-back.ts";
import { Flame } from "./flame.tsx";
import { useFolding } from "./folding.ts";
import { Minimap } from "./minimap.tsx";
import { SpanPanel } from "./span-panel.tsx";
import { SpanTable } from "./span-table.tsx";
import { TraceHead } from "./trace-head.tsx";
import { keyOf, type Range, subtreeOf, type Trace, type TraceRow } from "./trace-model.ts";
import { useTrace } from "./trace-source.ts";
import { Waterfall } from "./waterfall.tsx";

const FORMS = [
  ["waterfall", "Waterfall"],
  ["table", "Table"],
  ["flame", "Flame"],
] as const;
type Form = (typeof FORMS)[number][0];

export function TraceView({ traceId }: { readonly traceId: string }) {
  const [attempt, setAttempt] = useState(0);
  const answer = useTrace(traceId, attempt);
  useEffect(() => {
    wayBack.traceId = traceId;
  }, [traceId]);
  if (answer === null) return <p class="loading">Reading the trace …</p>;
  if (answer.kind === "problem") {
    return (
      <Notice title="This trace cannot be shown">
        <p>{answer.text}</p>
        <p>
          <button type="button" onClick={() => setAttempt(attempt + 1)}>
            Try again
          </button>{" "}
          <a href={linkTo({ view: "traces" })}>Search traces</a>
        </p>
      </Notice>
    );
  }
  return <LoadedTrace key={traceId} trace={answer.value} />;
}

/** The form, the span, the root and the range are in the address, so that a copied link shows the same view. */
function LoadedTrace({ trace }: { readonly trace: Trace }) {
  const query = address.value;
  const form = FORMS.find(([key]) => key === query.get("view"))?.[0] ?? "waterfall";
  const root = findRow(trace, query.get("root"));
  const selected = findRow(trace, query.get("span"));
  const inside = useMemo(() => (root === undefined ? trace.rows : subtreeOf(trace, root)), [trace, root]);
  const { visible, collapsed, toggle, collapseOrExpand } = useFolding(inside, root?.depth ?? 0);
  const whole = useMemo(() => extentOf(inside, trace), [inside, trace]);
  const range = readRange(query.get("range"), whole);

  useTitle(trace);
  const select = (row: TraceRow | undefined) => navigate(linkHere({ span: row && keyOf(row) }), "replace");
  const setRange = (next: Range) => navigate(linkHere({ range: textOf(next, whole) }), "replace");
  useKeys({
    Escape: () => {
      if (selected !== undefined) select(undefined);
      else if (range.from !== whole.from || range.to !== whole.to) setRange(whole);
      else if (root !== undefined) navigate(linkHere({ root: undefined, range: undefined }));
      else navigate(wayBack.search);
    },
    w: () => navigate(linkHere({ view: undefined }), "replace"),
    t: () => navigate(linkHere({ view: "table" }), "replace"),
    f: () => navigate(linkHere({ view: "flame" }), "replace"),
    r: () => selected && navigate(linkHere({ root: keyOf(selected), range: undefined })),
    c: collapseOrExpand,
    p: () => select(nextOnPath(visible, selected)),
    e: () => select(nextError(visible, selected)),
  });
  const shared = { range, selected, onSelect: select };
  return (
    <article class={`trace-page${selected ? " with-panel" : ""}`}>
      <div class="trace-main">
        <TraceHead trace={trace} />
        <Toolbar
          form={form}
          root={root}
          isCollapsed={collapsed.size > 0}
          onNextOnPath={() => select(nextOnPath(visible, selected))}
          onCollapse={collapseOrExpand}
        />
        {form !== "table" && <Minimap rows={inside} whole={whole} range={range} onRange={setRange} />}
        {form === "waterfall" && (
          <Waterfall
            rows={visible}
            baseDepth={root?.depth ?? 0}
            collapsed={collapsed}
            onToggle={toggle}
            {...shared}
          />
        )}
        {form === "table" && <SpanTable rows={inside} selected={selected} onSelect={select} />}
        {form === "flame" && <Flame rows={inside} {...shared} />}
      </div>
      {selected !== undefined && (
        <SpanPanel
          row={selected}
          traceStart={trace.start}
          traceDuration={trace.duration}
          isRoot={selected === root || (root === undefined && selected.index === 0)}
          onClose={() => select(undefined)}
        />
      )}
    </article>
  );
}

function useTitle(trace: Trace): void {
  useEffect(() => {
    const first = trace.rows[0];
    document.title = `${first?.service ?? "trace"} ${shorten(first?.span.name ?? "", 100)} · chain-link`;
  }, [trace]);
}

interface ToolbarProps {
  readonly form: Form;
  readonly root: TraceRow | undefined;
  readonly isCollapsed: boolean;
  readonly onNextOnPath: () => void;
  readonly onCollapse: () => void;
}

/** Switches the form, and has the tools of the waterfall. */
function Toolbar({ form, root, isCollapsed, onNextOnPath, onCollapse }: ToolbarProps) {
  return (
    <div class="bar-of-tools">
      <nav class="segments" aria-label="Form of the trace">
        {FORMS.map(([key, title]) => (
          <a
            key={key}
            href={linkHere({ view: key === "waterfall" ? undefined : key })}
            aria-current={key === form ? "true" : undefined}
          >
            {title}
          </a>
        ))}
      </nav>
      {root !== undefined && (
        <a class="chip" href={linkHere({ root: undefined, range: undefined })}>
          from {shorten(root.service, 20)} {shorten(root.span.name ?? "", 20)} <Icon name="close" />
        </a>
      )}
      <span class="gap" />
      {form === "waterfall" && (
        <>
          <button type="button" class="quiet" onClick={onNextOnPath}>
            <i class="path-mark" /> Critical path
          </button>
          <button type="button" class="quiet" onClick={onCollapse}>
            {isCollapsed ? "Expand all" : "Collapse all"}
          </button>
        </>
      )}
    </div>
  );
}

function findRow(trace: Trace, key: string | null): TraceRow | undefined {
  return key === null ? undefined : trace.rows.find((row) => keyOf(row) === key);
}

function extentOf(rows: readonly TraceRow[], trace: Trace): Range {
  if (rows === trace.rows) return { from: 0, to: trace.duration };
  let [from, to] = [Number.POSITIVE_INFINITY, 0];
  for (const row of rows) {
    if (row.start === null) continue;
    from = Math.min(from, row.start);
    to = Math.max(to, row.start + row.duration);
  }
  return to > 0 ? { from, to } : { from: 0, to: trace.duration };
}

/** Formats a range for the address; `undefined` for the whole trace. */
function textOf(range: Range, whole: Range): string | undefined {
  const isWhole = range.from <= whole.from && range.to >= whole.to;
  return isWhole ? undefined : `${Math.round(range.from)}-${Math.round(range.to)}`;
}

function readRange(text: string | null, whole: Range): Range {
  const [from = Number.NaN, to = Number.NaN] = (text ?? "").split("-").map(Number);
  if (!(to > from)) return whole;
  return { from: Math.max(from, whole.from), to: Math.min(to, whole.to) };
}

function nextOnPath(rows: readonly TraceRow[], selected: TraceRow | undefined): TraceRow | undefined {
  return nextOf(rows, selected, (row) => row.isCritical);
}

function nextError(rows: readonly TraceRow[], selected: TraceRow | undefined): TraceRow | undefined {
  return nextOf(rows, selected, (row) => row.isError);
}

function nextOf(
  rows: readonly TraceRow[],
  selected: TraceRow | undefined,
  isWanted: (row: TraceRow) => boolean,
): TraceRow | undefined {
  const place = selected === undefined ? -1 : rows.indexOf(selected);
  return rows.slice(place + 1).find(isWanted) ?? rows.find(isWanted) ?? selected;
}
