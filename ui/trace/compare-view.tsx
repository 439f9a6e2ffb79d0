import { useMemo } from "preact/hooks";
import { colorClass } from "../colors.ts";
import { formatCount, formatDuration } from "../format.ts";
import { linkTo, navigate } from "../shell/address.ts";
import { CutText } from "../shell/cut-text.tsx";
import { fitNames } from "../shell/fit-text.ts";
import { Notice } from "../shell/notice.tsx";
import { type Namer, namerOf } from "../shell/short-name.ts";
import { useWidth } from "../shell/use-width.ts";
import { type ComparedRow, compareTraces } from "./compare-model.ts";
import type { Trace } from "./trace-model.ts";
import { useTrace } from "./trace-source.ts";
import { ROW_PX, useVirtualRows } from "./virtual-rows.ts";

/** `ids` are two trace ids separated by a comma. The page asks for an id that is empty. */
export function CompareView({ ids }: { readonly ids: string }) {
  const [a = "", b = ""] = ids.split(",").map((id) => id.trim());
  const onSubmit = (event: SubmitEvent) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget as HTMLFormElement);
    navigate(linkTo({ compare: `${String(form.get("a")).trim()},${String(form.get("b")).trim()}` }));
  };
  return (
    <section class="compare">
      <h1>Compare two traces</h1>
      <form class="compare-form" onSubmit={onSubmit} key={ids}>
        <label>
          Trace A <input name="a" defaultValue={a} spellcheck={false} autocomplete="off" required />
        </label>
        <label>
          Trace B <input name="b" defaultValue={b} spellcheck={false} autocomplete="off" required />
        </label>
        <button type="submit">Compare</button>
      </form>
      {a !== "" && b !== "" ? (
        <LoadedComparison a={a} b={b} />
      ) : (
        <p class="hint">
          Enter the ids of two traces, or select two in the{" "}
          <a href={linkTo({ view: "traces" })}>list of traces</a>.
        </p>
      )}
    </section>
  );
}

function LoadedComparison({ a, b }: { readonly a: string; readonly b: string }) {
  const [left, right] = [useTrace(a), useTrace(b)];
  if (left === null || right === null) return <p class="loading">Reading the traces …</p>;
  const problem = left.kind === "problem" ? left : right.kind === "problem" ? right : undefined;
  if (left.kind === "ok" && right.kind === "ok") return <Comparison a={left.value} b={right.value} />;
  return (
    <Notice title="One of the traces cannot be shown">
      <p>{problem?.text}</p>
    </Notice>
  );
}

/** Width of a swatch with the gap after it, and of the mark of a span that only one trace has. */
const [SWATCH_PX, ONLY_PX] = [20, 64];

function Comparison({ a, b }: { readonly a: Trace; readonly b: Trace }) {
  const rows = useMemo(() => compareTraces(a, b), [a, b]);
  const { box, from, to, heightPx } = useVirtualRows(rows.length);
  const spanPx = useWidth(box, "th.service");
  const namer = useMemo(() => namerOf([...new Set([...a.services, ...b.services])]), [a, b]);
  const most = Math.max(1, ...rows.map((row) => Math.abs((row.b?.duration ?? 0) - (row.a?.duration ?? 0))));
  const deepest = rows.reduce((deep, row) => Math.max(deep, row.depth), 1);
  const indent = Math.min(14, 150 / deepest);
  return (
    <>
      <Facts a={a} b={b} rows={rows} />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a box that scrolls has to be reached by keyboard */}
      <section class="span-table comparison" ref={box} tabIndex={0} aria-label="Spans of both traces">
        <table aria-rowcount={rows.length + 1}>
          <Head />
          <tbody>
            {from > 0 && <tr style={{ height: `${from * ROW_PX}px` }} />}
            {rows.slice(from, to).map((row) => (
              <Row key={row.key} row={row} indent={indent} spanPx={spanPx} most={most} namer={namer} />
            ))}
            {to < rows.length && <tr style={{ height: `${heightPx - to * ROW_PX}px` }} />}
          </tbody>
        </table>
      </section>
    </>
  );
}

interface FactsProps {
  readonly a: Trace;
  readonly b: Trace;
  readonly rows: readonly ComparedRow[];
}

function Facts({ a, b, rows }: FactsProps) {
  const onlyA = rows.filter((row) => row.b === undefined).length;
  const onlyB = rows.filter((row) => row.a === undefined).length;
  return (
    <ul class="facts">
      <li>
        A <a href={linkTo({ trace: a.traceId })}>{formatDuration(a.duration)}</a>
      </li>
      <li>
        B <a href={linkTo({ trace: b.traceId })}>{formatDuration(b.duration)}</a>
      </li>
      <li>
        difference <b>{signed(b.duration - a.duration)}</b>
      </li>
      <li class={onlyA > 0 ? "bad" : ""}>{formatCount(onlyA, "span")} only in A</li>
      <li class={onlyB > 0 ? "bad" : ""}>{formatCount(onlyB, "span")} only in B</li>
    </ul>
  );
}

function Head() {
  return (
    <thead>
      <tr>
        <th scope="col" class="service">
          Span
        </th>
        <th scope="col" class="duration">
          A
        </th>
        <th scope="col" class="duration">
          B
        </th>
        <th scope="col" class="duration">
          B − A
        </th>
        <th scope="col" class="delta">
          <span>B faster</span>
          <span>B slower</span>
        </th>
      </tr>
    </thead>
  );
}

interface RowProps {
  readonly row: ComparedRow;
  /** Indentation of one level. */
  readonly indent: number;
  /** Width of the first column. */
  readonly spanPx: number;
  /** Greatest difference of all rows, in microseconds. */
  readonly most: number;
  readonly namer: Namer;
}

function Row({ row: { depth, a: one, b: other }, indent, spanPx, most, namer }: RowProps) {
  const row = one ?? other;
  if (row === undefined) return null;
  const delta = (other?.duration ?? 0) - (one?.duration ?? 0);
  const isBoth = one !== undefined && other !== undefined;
  const indentPx = Math.min(depth * indent, spanPx * 0.18);
  const marks = SWATCH_PX + (isBoth ? 0 : ONLY_PX) + indentPx;
  const shown = fitNames(row.service, row.span.name ?? "", spanPx - marks, namer);
  return (
    <tr class={`${colorClass(row.service)}${isBoth ? "" : " lonely"}`}>
      <td
        class="service"
        title={`${row.service} ${row.span.name ?? ""}`}
        style={{ paddingLeft: `${8 + indentPx}px` }}
      >
        <i class="swatch" />
        <b>
          <CutText text={row.service} shown={shown.service} />
        </b>{" "}
        <span class="name">
          <CutText text={row.span.name ?? ""} shown={shown.name} />
        </span>
        {!isBoth && <span class="orphan-mark">only in {one ? "A" : "B"}</span>}
      </td>
      <td class="duration">{one ? formatDuration(one.duration) : "–"}</td>
      <td class="duration">{other ? formatDuration(other.duration) : "–"}</td>
      <td class="duration">{isBoth ? signed(delta) : ""}</td>
      <td class="delta">{isBoth && <DeltaLane delta={delta} most={most} />}</td>
    </tr>
  );
}

interface DeltaLaneProps {
  /** Microseconds that B is slower than A. */
  readonly delta: number;
  readonly most: number;
}

function DeltaLane({ delta, most }: DeltaLaneProps) {
  const share = (Math.abs(delta) / most) * 50;
  return (
    <span class="delta-lane">
      <i
        class={delta > 0 ? "slower" : "faster"}
        style={delta > 0 ? { left: "50%", width: `${share}%` } : { right: "50%", width: `${share}%` }}
      />
    </span>
  );
}

function signed(micros: number): string {
  return micros > 0 ? `+${formatDuration(micros)}` : micros < 0 ? `−${formatDuration(-micros)}` : "0";
}
