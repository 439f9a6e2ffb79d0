import type { PropagationResult } from "../../contract/propagation-result.ts";
import { formatCount } from "../../lib/count.ts";
import { joinLines } from "../../lib/visible-text.ts";
import type { TraceReader } from "../../verify/backend/trace-reader.ts";
import { renderTable } from "../shell/table.ts";

const TITLES = { kept: "kept", broken: "BROKEN", "could-not-tell": "COULD NOT TELL" } as const;
/** Maximum table width. In a wider table, only edges with a problem get a column. */
const MAX_WIDTH = 120;
const FORM_WIDTH = 25;
const UNUSED = "-: the edge was not called, or is below a broken one";

/** Renders the result for people. */
export function renderPropagation(result: PropagationResult, reader: Pick<TraceReader, "pageOf">): string {
  const isFine = (state: string) => state === "kept" || state === "unused";
  const wrongEdges = result.edges.filter((edge) =>
    result.forms.some((row) => !isFine(row.edges[edge]?.state ?? "unused")),
  );
  const width = result.edges.reduce((sum, edge) => sum + edge.length + 2, FORM_WIDTH);
  const columns = width <= MAX_WIDTH ? result.edges : wrongEdges;
  const cellsOf = (edges: PropagationResult["forms"][number]["edges"], names: readonly string[]) =>
    names.map((edge) => (edges[edge]?.state ?? "unused").replace("unused", "-"));
  const hidden = result.edges.filter((edge) => !columns.includes(edge));
  const rows = result.forms.map(({ form, edges }) => [
    form,
    ...cellsOf(edges, columns),
    ...(hidden.length > 0 ? [[...new Set(cellsOf(edges, hidden))].join(" or ")] : []),
  ]);
  const others = columns.length === 0 ? "ALL EDGES" : "ALL OTHERS";
  const titles = hidden.length > 0 ? [...columns, others] : columns;
  const hasUnused = result.forms.some(({ edges }) => cellsOf(edges, result.edges).includes("-"));
  const findings = result.forms.flatMap(({ form, edges }) =>
    Object.entries(edges)
      .filter(([, { state }]) => !isFine(state))
      .map(([edge, { state, detail, traceId }]) => [
        `${form}: ${edge} ${state}${detail === null ? "" : `, ${detail}`}`,
        ...(traceId === null ? [] : [`    ${reader.pageOf(traceId) ?? traceId}`]),
      ]),
  );
  const lines = [
    `${TITLES[result.outcome]}: ${formatCount(result.forms.length, "form")} over ${formatCount(result.edges.length, "edge")}, ${formatCount(result.requests, "request")}`,
    `backend  ${result.backend}`,
    "",
    ...renderTable(
      ["FORM", ...titles].map((title) => ({ title })),
      rows,
    ),
    ...(hasUnused ? ["", UNUSED] : []),
    ...(findings.length > 0 ? ["", ...findings.flat()] : []),
  ];
  return joinLines(lines);
}
