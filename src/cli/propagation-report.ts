import type { PropagationResult } from "../verify/propagation.ts";
import type { TraceReader } from "../verify/trace-reader.ts";
import { renderTable } from "./table.ts";

const TITLES = { kept: "kept", broken: "BROKEN", "could-not-tell": "COULD NOT TELL" } as const;
/** More columns are hard to read: then only those where something is wrong. */
const MAX_COLUMNS = 6;

/** The result for people. */
export function renderPropagation(result: PropagationResult, reader: Pick<TraceReader, "pageOf">): string {
  const isFine = (state: string) => state === "kept" || state === "unused";
  const wrongEdges = result.edges.filter((edge) =>
    result.forms.some((row) => !isFine(row.edges[edge]?.state ?? "unused")),
  );
  const columns = result.edges.length <= MAX_COLUMNS ? result.edges : wrongEdges;
  const rows = result.forms.map(({ form, edges }) => [
    form,
    ...columns.map((edge) => (edges[edge]?.state ?? "unused").replace("unused", "-")),
  ]);
  const findings = result.forms.flatMap(({ form, edges }) =>
    Object.entries(edges)
      .filter(([, { state }]) => !isFine(state))
      .map(([edge, { state, detail, traceId }]) => [
        `${form}: ${edge} ${state}${detail === null ? "" : `, ${detail}`}`,
        ...(traceId === null ? [] : [`    ${reader.pageOf(traceId) ?? traceId}`]),
      ]),
  );
  const lines = [
    `${TITLES[result.outcome]}: ${result.forms.length} forms over ${result.edges.length} edges, ${result.requests} requests`,
    `backend  ${result.backend}`,
    "",
    ...renderTable(
      ["FORM", ...columns].map((title) => ({ title })),
      rows,
    ),
    ...(findings.length > 0 ? ["", ...findings.flat()] : []),
  ];
  return `${lines.join("\n")}\n`;
}
